-- Deletes events that were settled long ago: no provider sends one again after that time. Parameters: days, limit.
DELETE FROM lockstep.webhook_events WHERE id IN (
    SELECT id FROM lockstep.webhook_events
    WHERE status IN ('done', 'ignored') AND received_at < now() - make_interval(days => $1::integer)
    LIMIT $2
)
