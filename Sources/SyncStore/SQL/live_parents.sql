-- The next live records of a parent stream, in the order of their ids, with the values that are wanted of each and of the
-- record of its own parent: JSON objects of scalars by their names. A value that no request could carry is left out.
-- Parameters: integration id, stream, after, limit, the parent's parent stream or null, child stream, path of a condition or
-- null, whether only parents that changed since their slice was read, names and paths of the values, those of the parent's
-- parent. A parent whose slice was read before is one although it does not fulfil the condition any more: what it had has to
-- go. What counts as fulfilled: ParentBinding.isPresent.
SELECT r.external_id,
    (SELECT jsonb_object_agg(w.name, r.data #> w.path::text[])::text
     FROM unnest($9::text[], $10::text[]) AS w (name, path)
     WHERE jsonb_typeof(r.data #> w.path::text[]) IN ('string', 'number', 'boolean')
         AND octet_length(r.data #>> w.path::text[]) <= 8192),
    (SELECT jsonb_object_agg(w.name, g.data #> w.path::text[])::text
     FROM unnest($11::text[], $12::text[]) AS w (name, path)
     WHERE jsonb_typeof(g.data #> w.path::text[]) IN ('string', 'number', 'boolean')
         AND octet_length(g.data #>> w.path::text[]) <= 8192)
FROM lockstep.records r
LEFT JOIN lockstep.records g ON g.integration_id = $1 AND g.stream = $5::text AND g.external_id = r.partition
LEFT JOIN lockstep.sync_state s ON s.integration_id = $1 AND s.stream = $6 AND s.partition = r.external_id
WHERE r.integration_id = $1 AND r.stream = $2 AND r.external_id > $3 COLLATE "C" AND r.deleted_at IS NULL
    AND ($7::text[] IS NULL OR s.partition IS NOT NULL OR coalesce(r.data #>> $7::text[], '') NOT IN ('', '0', 'false'))
    AND (NOT $8::boolean OR s.last_success_at IS NULL OR s.phase <> 'idle' OR r.synced_at >= s.last_success_at)
ORDER BY r.external_id LIMIT $4
