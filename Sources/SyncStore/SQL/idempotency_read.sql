-- What is known of an idempotency key. Parameter: its hash. Reply: hash of the request, status or null, body.
SELECT request_hash, status, body FROM lockstep.idempotency_keys WHERE key_hash = $1
