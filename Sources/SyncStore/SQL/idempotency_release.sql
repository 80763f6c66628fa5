-- Gives a key back whose request came to nothing, if it is still claimed by this claim. Parameters: hash of the key, the claim's
-- own bytes.
DELETE FROM lockstep.idempotency_keys WHERE key_hash = $1 AND owner = $2 AND status IS NULL
