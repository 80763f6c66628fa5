-- Which of these jobs have succeeded. Parameters: ids of jobs.
SELECT DISTINCT job_id FROM lockstep.sync_log
WHERE job_id COLLATE "C" = ANY ($1::text[]) AND status = 'succeeded'
