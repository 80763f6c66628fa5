-- Subscriptions after an id, in the order of their ids. Parameters: id, limit.
SELECT s.id, s.url, s.service, s.stream, s.user_id, s.status, s.cursor_xid, s.cursor_row, s.delivered, s.created_at,
    s.last_delivered_at, s.last_failed_at, s.last_error,
    (SELECT count(*) FROM lockstep.subscription_events e WHERE e.subscription_id = s.id AND e.status = 'dead'),
    (SELECT count(*) FROM lockstep.subscription_events e WHERE e.subscription_id = s.id AND e.status = 'failing'),
    s.due_at
FROM lockstep.subscriptions s WHERE s.id > $1 ORDER BY s.id LIMIT $2
