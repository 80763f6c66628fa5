-- Integrations as the API gives them, in the order of their ids. Parameters: service or null, user or null, status or null,
-- after id, limit. Reply: id, JSON.
SELECT i.id, jsonb_build_object(
    'id', i.id, 'user_id', i.user_id, 'service', i.service, 'account', i.account, 'status', i.status,
    'health', lockstep.health_of(i.id), 'created_at', i.created_at, 'last_success_at', s.last_success_at,
    'running', r.run, 'last_error', e.error)::text
FROM (
    SELECT * FROM lockstep.integrations
    WHERE ($1::text IS NULL OR service = $1) AND ($2::text IS NULL OR user_id = $2)
        AND ($3::text IS NULL OR status = $3) AND id > $4
    ORDER BY id LIMIT $5
) i
LEFT JOIN LATERAL (
    SELECT max(last_success_at) AS last_success_at FROM lockstep.sync_state WHERE integration_id = i.id
) s ON true
LEFT JOIN LATERAL (
    SELECT jsonb_build_object('run_id', l.id, 'type', l.type, 'started_at', l.started_at, 'pages', l.pages,
        'records_read', l.records_read) AS run
    FROM lockstep.sync_log l WHERE l.integration_id = i.id AND l.status = 'running' ORDER BY l.id DESC LIMIT 1
) r ON true
LEFT JOIN LATERAL (
    -- Of the last run that ended, if it failed: an older failure is over.
    SELECT CASE WHEN l.status = 'failed' THEN jsonb_build_object('code', l.error_code, 'message', l.error_message,
        'at', l.completed_at) END AS error
    FROM lockstep.sync_log l WHERE l.integration_id = i.id AND l.status IN ('succeeded', 'failed')
    ORDER BY l.id DESC LIMIT 1
) e ON true
ORDER BY i.id
