-- The next active integrations of some users at a service. Parameters: service, after id, limit, users.
SELECT id, user_id FROM lockstep.integrations
WHERE user_id = ANY ($4::text[]) AND service = $1 AND id > $2 AND status = 'active' ORDER BY id LIMIT $3
