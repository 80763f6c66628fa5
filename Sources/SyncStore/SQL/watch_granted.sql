-- Parameters: row, resource or null, end in ms since 1970, ms before the end at which it is renewed. It is renewed in ten minutes at
-- the earliest, whatever the provider says.
UPDATE lockstep.webhook_channels SET status = 'active', resource_id = $2, error = NULL,
    expires_at = to_timestamp($3 / 1000.0),
    renew_at = greatest(to_timestamp(($3 - $4) / 1000.0), now() + interval '10 min')
WHERE id = $1
