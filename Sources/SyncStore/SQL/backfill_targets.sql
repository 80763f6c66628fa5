-- The next active integrations of a service. Parameters: service, after id, limit.
SELECT id, user_id FROM lockstep.integrations
WHERE service = $1 AND id > $2 AND status = 'active' ORDER BY id LIMIT $3
