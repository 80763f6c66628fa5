-- Keeps records that cannot be stored, each once. Parameters: integration id, stream, sync id, external ids (may hold
-- null), reasons, raw bytes, hashes of the raw bytes.
INSERT INTO lockstep.quarantine (integration_id, stream, external_id, reason, raw, sync_id, raw_hash)
SELECT $1, $2, q.external_id, q.reason, q.raw, $3, q.raw_hash
FROM unnest($4::bytea[], $5::text[], $6::bytea[], $7::bytea[]) AS q (external_id, reason, raw, raw_hash)
ON CONFLICT (integration_id, stream, raw_hash) DO NOTHING
