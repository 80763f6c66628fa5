-- Keeps the answer of a claimed key. Parameters: hash of the key, status, body.
UPDATE lockstep.idempotency_keys SET status = $2, body = $3 WHERE key_hash = $1
