-- Actions as the API gives them, the newest first, without what they take and gave, which may be long. Parameters: integration
-- id or null, status or null, name or null, before id, limit, service or null, user or null. Reply: id, JSON.
SELECT a.id, jsonb_build_object(
    'id', a.id, 'integration_id', a.integration_id, 'user_id', i.user_id, 'service', i.service, 'account', i.account,
    'name', a.name, 'status', a.status, 'error_code', a.error_code, 'error_message', a.error_message,
    'error_detail', a.error_detail, 'attempts', a.attempts, 'idempotency_key', a.idempotency_key,
    'created_at', a.created_at, 'completed_at', a.completed_at)::text
FROM lockstep.actions a JOIN lockstep.integrations i ON i.id = a.integration_id
WHERE ($1::bigint IS NULL OR a.integration_id = $1) AND ($2::text IS NULL OR a.status = $2)
    AND ($3::text IS NULL OR a.name = $3) AND a.id < $4 AND ($6::text IS NULL OR i.service = $6)
    AND ($7::text IS NULL OR i.user_id = $7)
ORDER BY a.id DESC LIMIT $5
