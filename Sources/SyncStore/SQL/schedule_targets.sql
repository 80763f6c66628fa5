-- The next active integrations of a slot. Parameters: service or null, after id, limit.
SELECT id FROM lockstep.integrations
WHERE status = 'active' AND id > $2 AND ($1::text IS NULL OR service = $1)
ORDER BY id LIMIT $3
