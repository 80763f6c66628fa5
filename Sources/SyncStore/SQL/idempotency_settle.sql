-- Keeps the answer of a key that is still claimed by this claim. Parameters: hash of the key, the claim's own bytes, status, body.
-- Reply: one row when it is kept.
UPDATE lockstep.idempotency_keys SET status = $3, body = $4 WHERE key_hash = $1 AND owner = $2 AND status IS NULL
RETURNING true
