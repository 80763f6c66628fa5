-- How far the jobs of a backfill are: numbers of jobs that succeeded, run, and were cancelled last. Parameters: first id,
-- the id behind the last one.
SELECT count(*) FILTER (WHERE succeeded), count(*) FILTER (WHERE NOT succeeded AND last = 'running'),
       count(*) FILTER (WHERE NOT succeeded AND last = 'cancelled')
FROM (
    SELECT bool_or(status = 'succeeded') AS succeeded, (array_agg(status ORDER BY id DESC))[1] AS last
    FROM lockstep.sync_log WHERE job_id COLLATE "C" >= $1 AND job_id COLLATE "C" < $2 GROUP BY job_id COLLATE "C"
) jobs
