-- Actions, the newest first. Parameters: id or null, integration or null, status or null, before id or null, limit.
SELECT a.id, a.integration_id, i.user_id, i.service, i.account, a.name, a.status, a.input::text, a.result::text,
       a.error_code, a.error_message, a.error_detail, a.attempts, a.idempotency_key, a.created_at, a.completed_at
FROM lockstep.actions a JOIN lockstep.integrations i ON i.id = a.integration_id
WHERE ($1::bigint IS NULL OR a.id = $1) AND ($2::bigint IS NULL OR a.integration_id = $2)
    AND ($3::text IS NULL OR a.status = $3) AND ($4::bigint IS NULL OR a.id < $4)
ORDER BY a.id DESC LIMIT $5
