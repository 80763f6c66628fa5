-- The watches of an integration that its provider granted and that have not ended, oldest first.
-- Parameters: integration id, limit. Reply: channel id, stream, resource, end in ms since 1970.
SELECT channel_id, stream, resource_id, (extract(epoch FROM expires_at) * 1000)::bigint
FROM lockstep.webhook_channels
WHERE integration_id = $1 AND status = 'active' AND expires_at > now()
ORDER BY id LIMIT $2
