-- Integrations with what they hold, in the order of their ids. Parameters: service or null, user or null, after id, limit.
SELECT i.id, i.user_id, i.service, i.account, i.status,
       (SELECT count(*) FROM lockstep.records r WHERE r.integration_id = i.id AND r.deleted_at IS NULL),
       (SELECT max(s.last_success_at) FROM lockstep.sync_state s WHERE s.integration_id = i.id)
FROM lockstep.integrations i
WHERE ($1::text IS NULL OR i.service = $1) AND ($2::text IS NULL OR i.user_id = $2) AND i.id > $3
ORDER BY i.id LIMIT $4
