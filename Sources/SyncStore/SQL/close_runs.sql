-- Ends the running log rows of a job that becomes a dead letter, so that each attempt has one terminal row.
-- Parameters: job id. There are few running rows, and an index of them.
UPDATE lockstep.sync_log
SET status = 'failed', completed_at = now(), error_code = 'worker_died',
    error_message = 'This sync was interrupted and could not be continued.',
    error_detail = 'the worker of this run died, and its job became a dead letter'
WHERE status = 'running' AND job_id = $1
