-- The live records of a parent stream with these ids, with values of each and of the record of its own parent, as in
-- live_parents. Parameters: integration id, stream, ids, the parent's parent stream or null, names and paths of the values,
-- those of the parent's parent.
SELECT r.external_id,
    (SELECT jsonb_object_agg(w.name, r.data #> w.path::text[])::text
     FROM unnest($5::text[], $6::text[]) AS w (name, path)
     WHERE jsonb_typeof(r.data #> w.path::text[]) IN ('string', 'number', 'boolean')
         AND octet_length(r.data #>> w.path::text[]) <= 8192),
    (SELECT jsonb_object_agg(w.name, g.data #> w.path::text[])::text
     FROM unnest($7::text[], $8::text[]) AS w (name, path)
     WHERE jsonb_typeof(g.data #> w.path::text[]) IN ('string', 'number', 'boolean')
         AND octet_length(g.data #>> w.path::text[]) <= 8192)
FROM lockstep.records r
LEFT JOIN lockstep.records g ON g.integration_id = $1 AND g.stream = $4::text AND g.external_id = r.partition
WHERE r.integration_id = $1 AND r.stream = $2 AND r.external_id = ANY ($3::text[]) AND r.deleted_at IS NULL
ORDER BY r.external_id
