-- The live records of a parent stream with these ids, each with the record of its own parent.
-- Parameters: integration id, stream, ids, the parent's parent stream or null.
SELECT r.external_id, r.data::text, g.data::text
FROM lockstep.records r
LEFT JOIN lockstep.records g ON g.integration_id = $1 AND g.stream = $4::text AND g.external_id = r.partition
WHERE r.integration_id = $1 AND r.stream = $2 AND r.external_id = ANY ($3::text[]) AND r.deleted_at IS NULL
ORDER BY r.external_id
