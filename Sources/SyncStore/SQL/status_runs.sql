-- Runs of the last 24 hours by service, type and status.
SELECT service, type, status, count(*), sum(records_added)::bigint, sum(records_updated)::bigint,
       sum(records_deleted)::bigint, sum(records_unchanged)::bigint
FROM lockstep.sync_log WHERE started_at > now() - interval '24 hours'
GROUP BY service, type, status ORDER BY service, type, status
