-- The next subscriptions whose secret another key than the current one seals. Parameters: the current key id, after id, limit.
SELECT id, ciphertext FROM lockstep.subscriptions WHERE key_id <> $1 AND id > $2 ORDER BY id LIMIT $3
