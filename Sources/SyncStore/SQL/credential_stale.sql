-- The next credentials that another key than the current one seals. Parameters: the current key id, after integration
-- id, limit.
SELECT integration_id, kind, version, ciphertext FROM lockstep.credentials
WHERE key_id <> $1 AND integration_id > $2 ORDER BY integration_id LIMIT $3
