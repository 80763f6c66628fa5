-- The newest dead letters of a subscription. Parameters: id, limit.
SELECT change_xid, change_row, integration_id, stream, external_id, event, attempts, error, failed_at, due_at
FROM lockstep.subscription_events WHERE subscription_id = $1 AND status = 'dead'
ORDER BY change_xid DESC, change_row DESC LIMIT $2
