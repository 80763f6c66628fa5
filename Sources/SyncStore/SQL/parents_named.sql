-- The live records of a parent stream with these ids, with values of each and of the record of its own parent, as in
-- live_parents. Parameters: integration id, stream, ids, the parent's parent stream or null, names and paths of the values,
-- those of the parent's parent.
SELECT r.external_id, lockstep.scalars_of(r.data, $5, $6), lockstep.scalars_of(g.data, $7, $8)
FROM lockstep.records r
LEFT JOIN lockstep.records g ON g.integration_id = $1 AND g.stream = $4::text AND g.external_id = r.partition
WHERE r.integration_id = $1 AND r.stream = $2 AND r.external_id = ANY ($3::text[]) AND r.deleted_at IS NULL
ORDER BY r.external_id
