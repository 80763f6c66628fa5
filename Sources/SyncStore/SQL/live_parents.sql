-- The next live records of a parent stream, in the order of their ids. Parameters: integration id, stream, after, limit.
SELECT external_id, data::text FROM lockstep.records
WHERE integration_id = $1 AND stream = $2 AND external_id > $3 COLLATE "C" AND deleted_at IS NULL
ORDER BY external_id LIMIT $4
