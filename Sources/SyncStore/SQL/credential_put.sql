-- Stores an integration's credential, in place of the one it had. Parameters: integration id, kind, key id, version,
-- ciphertext.
WITH resolved AS (
    UPDATE lockstep.alerts SET resolved_at = now()
    WHERE integration_id = $1 AND kind = 'reauth_required' AND resolved_at IS NULL
)
INSERT INTO lockstep.credentials (integration_id, kind, key_id, version, ciphertext)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (integration_id) DO UPDATE SET kind = excluded.kind, key_id = excluded.key_id,
    version = excluded.version, ciphertext = excluded.ciphertext, updated_at = now()
