-- What proves the notifications of one integration. Parameters: integration id, service. Reply: at most one row.
SELECT i.account, c.kind, c.version, c.ciphertext
FROM lockstep.integrations i LEFT JOIN lockstep.credentials c ON c.integration_id = i.id
WHERE i.id = $1 AND i.service = $2 AND i.status <> 'disconnected'
