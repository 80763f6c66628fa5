-- Jobs of a backfill whose last run failed and that no run will continue, as the integration is not active any more; they
-- leave no dead letter. Parameters: first id, the id behind the last one, limit.
SELECT l.job_id FROM lockstep.sync_log l JOIN lockstep.integrations i ON i.id = l.integration_id
WHERE l.job_id COLLATE "C" >= $1 AND l.job_id COLLATE "C" < $2 AND l.status = 'failed' AND i.status <> 'active'
    AND NOT EXISTS (SELECT 1 FROM lockstep.sync_log n WHERE n.job_id COLLATE "C" = l.job_id AND n.id > l.id)
ORDER BY l.job_id COLLATE "C" LIMIT $3
