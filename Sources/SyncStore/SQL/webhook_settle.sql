-- Says what became of events that a run had taken. Parameters: integration id, event ids, status, error or null.
UPDATE lockstep.webhook_events SET status = $3, error = $4, dispatched_at = now()
WHERE integration_id = $1 AND id = ANY ($2) AND status = 'processing'
