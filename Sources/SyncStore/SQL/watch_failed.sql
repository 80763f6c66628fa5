-- Parameters: row, error, seconds until the next try.
UPDATE lockstep.webhook_channels SET status = 'failed', error = $2, renew_at = now() + make_interval(secs => $3)
WHERE id = $1
