-- The next live records of a parent stream, in the order of their ids, with the values that are wanted of each and of the
-- record of its own parent.
-- Parameters: integration id, stream, after, limit, the parent's parent stream or null, child stream, path of a condition or
-- null, whether only parents that changed since their slice was read, names and paths of the values, those of the parent's
-- parent. A parent whose slice was read before is one although it does not fulfil the condition any more: what it had has to
-- go. What counts as fulfilled: ParentBinding.isPresent.
SELECT r.external_id, lockstep.scalars_of(r.data, $9, $10), lockstep.scalars_of(g.data, $11, $12)
FROM lockstep.records r
LEFT JOIN lockstep.records g ON g.integration_id = $1 AND g.stream = $5::text AND g.external_id = r.partition
LEFT JOIN lockstep.sync_state s ON s.integration_id = $1 AND s.stream = $6 AND s.partition = r.external_id
WHERE r.integration_id = $1 AND r.stream = $2 AND r.external_id > $3 COLLATE "C" AND r.deleted_at IS NULL
    AND ($7::text[] IS NULL OR s.partition IS NOT NULL OR coalesce(r.data #>> $7::text[], '') NOT IN ('', '0', 'false'))
    AND (NOT $8::boolean OR s.last_success_at IS NULL OR s.phase <> 'idle' OR r.synced_at >= s.last_success_at)
ORDER BY r.external_id LIMIT $4
