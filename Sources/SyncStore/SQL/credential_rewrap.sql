-- Stores credentials under another key where the bytes are still the old ones. Parameters: key id, integration ids, old
-- bytes, new bytes. Reply: the integrations whose credential was changed.
UPDATE lockstep.credentials c SET key_id = $1, ciphertext = n.fresh
FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) AS n (id, old, fresh)
WHERE c.integration_id = n.id AND c.ciphertext = n.old
RETURNING c.integration_id
