-- Rows of the sync log as the API gives them, the newest first. Parameters: integration id or null, service or null, status
-- or null, before id, limit, action whose attempts they are or null. Reply: id, JSON.
SELECT l.id, jsonb_build_object(
    'id', l.id, 'job_id', l.job_id, 'attempt', l.attempt, 'integration_id', l.integration_id, 'user_id', l.user_id,
    'service', l.service, 'account', l.account, 'type', l.type, 'status', l.status, 'worker', l.worker,
    'enqueued_at', l.enqueued_at, 'started_at', l.started_at, 'completed_at', l.completed_at, 'pages', l.pages,
    'api_calls', l.api_calls, 'bytes_read', l.bytes_read, 'records_read', l.records_read,
    'records_added', l.records_added, 'records_updated', l.records_updated, 'records_deleted', l.records_deleted,
    'records_unchanged', l.records_unchanged, 'records_quarantined', l.records_quarantined,
    'throttled_ms', l.throttled_ms, 'error_code', l.error_code, 'error_message', l.error_message,
    'error_detail', l.error_detail)::text
FROM lockstep.sync_log l
WHERE ($1::bigint IS NULL OR l.integration_id = $1) AND ($2::text IS NULL OR l.service = $2)
    AND ($3::text IS NULL OR l.status = $3) AND l.id < $4
    -- The jobs of an action have a name by its number; somebody may have pushed one with another.
    AND ($6::bigint IS NULL OR l.type = 'action' AND l.job_id COLLATE "C" IN (
        'action:' || $6, (SELECT a.job_id FROM lockstep.actions a WHERE a.id = $6)))
ORDER BY l.id DESC LIMIT $5
