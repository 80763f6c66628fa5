-- The newest log rows of a job, or of an integration. Parameters: job id or null, integration id, limit.
SELECT id, job_id, attempt, integration_id, type, status, worker, started_at, completed_at, error_code, error_message,
       error_detail
FROM lockstep.sync_log WHERE $1::text IS NOT NULL AND job_id COLLATE "C" = $1
UNION ALL
(SELECT id, job_id, attempt, integration_id, type, status, worker, started_at, completed_at, error_code, error_message,
       error_detail
FROM lockstep.sync_log WHERE $1::text IS NULL AND integration_id = $2 ORDER BY id DESC LIMIT $3)
ORDER BY id DESC LIMIT $3
