-- Whether an integration has events to be taken. Parameters: integration id, the event that the job names.
SELECT EXISTS (
    SELECT 1 FROM lockstep.webhook_events WHERE integration_id = $1 AND status IN ('received', 'processing')
) OR EXISTS (
    SELECT 1 FROM lockstep.webhook_events WHERE integration_id = $1 AND id = $2 AND status = 'failed'
)
