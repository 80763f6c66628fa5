-- Deletes old slots that are done with, but never the newest of a schedule: what comes after it is still owed.
-- Parameters: age in ms, how many at most. Reply: their number.
WITH old AS (
    SELECT f.ctid AS place FROM lockstep.schedule_fires f
    WHERE f.fire_at < now() - $1::bigint * interval '1 millisecond' AND f.state <> 'enqueueing'
        AND EXISTS (SELECT FROM lockstep.schedule_fires n
                    WHERE n.schedule_id = f.schedule_id AND n.fire_at > f.fire_at AND n.fire_at <= now())
    ORDER BY f.fire_at LIMIT $2 FOR UPDATE OF f SKIP LOCKED
), gone AS (
    DELETE FROM lockstep.schedule_fires f USING old WHERE f.ctid = old.place RETURNING 1
)
SELECT count(*) FROM gone
