-- Deletes old rows of the request log's default partition. Parameters: age in ms, how many at most. Reply: their number.
WITH old AS (
    SELECT ctid AS place FROM lockstep.api_log_default WHERE at < now() - $1::bigint * interval '1 millisecond'
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM lockstep.api_log_default l USING old WHERE l.ctid = old.place RETURNING 1
)
SELECT count(*) FROM gone
