-- Keeps a channel before it is asked for: its first notification may come before the answer. Parameters: integration id, stream,
-- parent's id, channel id, hash of the token, seconds until it is tried again when nothing is heard. Reply: the row's id.
INSERT INTO lockstep.webhook_channels (integration_id, stream, partition, channel_id, token_hash, renew_at)
VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
RETURNING id
