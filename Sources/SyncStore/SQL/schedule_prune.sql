-- Deletes slots older than 90 days, but never the newest of a schedule: what comes after it is still owed.
-- Parameter: how many at most. Reply: one row with their number.
WITH old AS (
    SELECT f.ctid AS place FROM lockstep.schedule_fires f
    WHERE f.fire_at < now() - interval '90 days' AND f.state <> 'enqueueing'
        AND EXISTS (SELECT 1 FROM lockstep.schedule_fires n
                    WHERE n.schedule_id = f.schedule_id AND n.fire_at > f.fire_at AND n.fire_at <= now())
    ORDER BY f.fire_at LIMIT $1
), gone AS (
    DELETE FROM lockstep.schedule_fires f USING old WHERE f.ctid = old.place RETURNING 1
)
SELECT count(*) FROM gone
