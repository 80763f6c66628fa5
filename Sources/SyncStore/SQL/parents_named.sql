-- The live records of a parent stream with these ids. Parameters: integration id, stream, ids.
SELECT external_id, data::text FROM lockstep.records
WHERE integration_id = $1 AND stream = $2 AND external_id = ANY ($3::text[]) AND deleted_at IS NULL
ORDER BY external_id
