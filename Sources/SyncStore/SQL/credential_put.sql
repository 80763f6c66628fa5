-- Stores an integration's credential in place of an older version. Parameters: integration id, kind, key id, version,
-- ciphertext, ms until it expires or null, ms until it is refreshed or null, scopes.
-- Reply: the version; no row when a version as new is stored already.
WITH stored AS (
    INSERT INTO lockstep.credentials (integration_id, kind, key_id, version, ciphertext, expires_at, refresh_at, scopes)
    VALUES ($1, $2, $3, $4, $5, now() + $6::bigint * interval '1 millisecond',
            now() + $7::bigint * interval '1 millisecond', $8::text[])
    ON CONFLICT (integration_id) DO UPDATE SET kind = excluded.kind, key_id = excluded.key_id,
        version = excluded.version, ciphertext = excluded.ciphertext, expires_at = excluded.expires_at,
        refresh_at = excluded.refresh_at, scopes = excluded.scopes, refresh_owner = NULL, refresh_until = NULL,
        refresh_in_doubt = false, refresh_failures = 0, refresh_not_before = NULL, refused_reason = NULL,
        updated_at = now()
    WHERE credentials.version < excluded.version
    RETURNING integration_id, version
), resolved AS (
    UPDATE lockstep.alerts a SET resolved_at = now() FROM stored
    WHERE a.integration_id = stored.integration_id AND a.kind = 'reauth_required' AND a.resolved_at IS NULL
)
SELECT version FROM stored
