-- Compares a provider's objects with the live records of a stream. Parameters: integration id, stream, ids, objects as JSON
-- text, hashes of their bytes. Reply: a row for each difference.
SELECT coalesce(o.id, r.external_id) AS id,
       CASE WHEN r.external_id IS NULL THEN 'missing' WHEN o.id IS NULL THEN 'extra' ELSE 'different' END AS kind,
       r.data::text, o.raw, r.synced_at
FROM unnest($3::text[], $4::text[], $5::bytea[]) AS o (id, raw, hash)
FULL JOIN (
    SELECT external_id, data, content_hash, synced_at FROM lockstep.records
    WHERE integration_id = $1 AND stream = $2 AND deleted_at IS NULL
) r ON r.external_id = o.id COLLATE "C"
WHERE r.external_id IS NULL OR o.id IS NULL OR r.content_hash <> o.hash OR r.data <> o.raw::jsonb
ORDER BY 1
