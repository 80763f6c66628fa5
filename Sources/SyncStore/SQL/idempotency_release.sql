-- Gives a key back whose request came to nothing. Parameter: its hash.
DELETE FROM lockstep.idempotency_keys WHERE key_hash = $1 AND status IS NULL
