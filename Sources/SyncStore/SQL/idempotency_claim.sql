-- Claims an idempotency key, and forgets up to 100 that are a day old. A claim without an answer is anybody's after a minute:
-- its process has died, or is too slow to answer for the key. Parameters: hash of the key, hash of the request, the claim's own
-- bytes. Reply: one row when it is claimed.
WITH old AS (
    DELETE FROM lockstep.idempotency_keys WHERE key_hash IN (
        SELECT key_hash FROM lockstep.idempotency_keys WHERE created_at < now() - interval '1 day' AND key_hash <> $1
        ORDER BY created_at LIMIT 100)
)
INSERT INTO lockstep.idempotency_keys AS k (key_hash, request_hash, owner) VALUES ($1, $2, $3)
ON CONFLICT (key_hash) DO UPDATE SET request_hash = excluded.request_hash, owner = excluded.owner, status = NULL, body = NULL,
    created_at = now()
WHERE k.created_at < now() - interval '1 day' OR (k.status IS NULL AND k.created_at < now() - interval '1 minute')
RETURNING true
