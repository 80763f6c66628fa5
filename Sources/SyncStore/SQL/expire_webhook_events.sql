-- Deletes old webhook events that are done with. Parameters: age in ms, how many at most. Reply: their number.
WITH old AS (
    SELECT id FROM lockstep.webhook_events
    WHERE received_at < now() - $1::bigint * interval '1 millisecond' AND status IN ('done', 'ignored')
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM lockstep.webhook_events e USING old WHERE e.id = old.id RETURNING 1
)
SELECT count(*) FROM gone
