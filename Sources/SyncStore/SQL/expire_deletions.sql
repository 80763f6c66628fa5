-- Deletes old rows of deletions. Parameters: age in ms, how many at most. Reply: their number.
WITH old AS (
    SELECT ctid AS place FROM lockstep.deletions WHERE deleted_at < now() - $1::bigint * interval '1 millisecond'
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM lockstep.deletions d USING old WHERE d.ctid = old.place RETURNING 1
)
SELECT count(*) FROM gone
