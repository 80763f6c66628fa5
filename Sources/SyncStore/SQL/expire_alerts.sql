-- Deletes alerts that were resolved long ago, with their deliveries. Parameters: age in ms, how many at most. Reply: their
-- number.
WITH old AS (
    SELECT id FROM lockstep.alerts WHERE resolved_at < now() - $1::bigint * interval '1 millisecond'
    ORDER BY resolved_at LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM lockstep.alerts a USING old WHERE a.id = old.id RETURNING 1
)
SELECT count(*) FROM gone
