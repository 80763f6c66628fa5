-- What ran in each of the last 24 hours, the oldest first. Parameter: integration id, or null for all. Reply: one JSON array.
SELECT coalesce(jsonb_agg(jsonb_build_object(
    'hour', h.hour, 'succeeded', coalesce(l.succeeded, 0), 'failed', coalesce(l.failed, 0),
    'changed', coalesce(l.changed, 0)) ORDER BY h.hour), '[]')::text
FROM generate_series(date_trunc('hour', now()) - interval '23 hours', date_trunc('hour', now()), interval '1 hour') h (hour)
LEFT JOIN (
    SELECT date_trunc('hour', started_at) AS hour, count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE status = 'failed') AS failed,
        sum(records_added + records_updated + records_deleted) AS changed
    FROM lockstep.sync_log
    WHERE started_at >= date_trunc('hour', now()) - interval '23 hours' AND ($1::bigint IS NULL OR integration_id = $1)
    GROUP BY 1
) l ON l.hour = h.hour
