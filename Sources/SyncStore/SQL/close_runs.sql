-- Ends the running log rows of a job that no run will continue, so that each attempt has one terminal row.
-- Parameters: job id, status, error code, message for the user, detail for the operator. There are few running rows,
-- and an index of them.
UPDATE lockstep.sync_log
SET status = $2, completed_at = now(), error_code = $3, error_message = $4, error_detail = $5
WHERE status = 'running' AND job_id = $1
