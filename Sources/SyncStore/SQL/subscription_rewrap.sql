-- Stores secrets under another key where the bytes are still the old ones. Parameters: key id, ids, old bytes, new bytes.
-- Reply: the subscriptions whose secret was changed.
UPDATE lockstep.subscriptions s SET key_id = $1, ciphertext = n.fresh
FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) AS n (id, old, fresh)
WHERE s.id = n.id AND s.ciphertext = n.old
RETURNING s.id
