-- The live records of a parent stream with these ids, with values of each and of the record of its own parent, as in
-- live_parents. Parameters: integration id, stream, ids, the parent's parent stream or null, names and paths of the values,
-- those of the parent's parent. The LIMIT makes each id a look-up, as in diff_batch.
SELECT r.external_id, lockstep.scalars_of(r.data, $5, $6), lockstep.scalars_of(g.data, $7, $8)
FROM (SELECT DISTINCT unnest($3::text[]) AS id) AS named
CROSS JOIN LATERAL (
    SELECT s.external_id, s.partition, s.data, s.deleted_at FROM lockstep.records s
    WHERE s.integration_id = $1 AND s.stream = $2 AND s.external_id = named.id COLLATE "C"
    LIMIT 1
) r
LEFT JOIN lockstep.records g ON g.integration_id = $1 AND g.stream = $4::text AND g.external_id = r.partition
WHERE r.deleted_at IS NULL
ORDER BY r.external_id
