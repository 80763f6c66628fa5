-- The watch that a channel is of. Parameters: channel id, service. Reply: at most one row.
SELECT c.integration_id, i.account, c.stream, c.partition, c.token_hash, c.resource_id
FROM lockstep.webhook_channels c
JOIN lockstep.integrations i ON i.id = c.integration_id AND i.service = $2 AND i.status <> 'disconnected'
WHERE c.channel_id = $1 AND c.status IN ('requested', 'active')
