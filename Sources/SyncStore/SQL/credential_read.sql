-- One credential and what is known of its refresh. Parameter: integration id.
-- Reply: the integration's status, kind, version, ciphertext, ms until it expires, ms until it is to be refreshed, why it
-- is refused, whether a refresh is under way, ms until the next one may begin. No row: no integration; nulls: no credential.
SELECT i.status, c.kind, c.version, c.ciphertext,
       (extract(epoch FROM c.expires_at - clock_timestamp()) * 1000)::bigint,
       (extract(epoch FROM c.refresh_at - clock_timestamp()) * 1000)::bigint,
       c.refused_reason, c.refresh_owner IS NOT NULL AND c.refresh_until >= clock_timestamp(),
       (extract(epoch FROM c.refresh_not_before - clock_timestamp()) * 1000)::bigint
FROM lockstep.integrations i LEFT JOIN lockstep.credentials c ON c.integration_id = i.id
WHERE i.id = $1
