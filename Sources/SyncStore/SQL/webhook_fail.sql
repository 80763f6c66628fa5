-- Gives one open event up. Parameters: event id, error.
UPDATE lockstep.webhook_events SET status = 'failed', error = $2
WHERE id = $1 AND status IN ('received', 'processing')
