-- What the ledger tells of troubles: requests of each service that failed within a time, but for those that were given up or not
-- sent as the configuration is wrong, and slots of each schedule that came
-- late within a time or stay unfinished for it. Parameters: both times in ms. Reply: kind, service, schedule, number, and the
-- newest slot.
SELECT 'error_burst', service, '', count(*), NULL::timestamptz
FROM lockstep.api_log
WHERE at > now() - $1::bigint * interval '1 millisecond' AND (status_code >= 500 OR status_code IS NULL)
    AND error IS DISTINCT FROM 'stale_worker' AND error IS DISTINCT FROM 'config'
GROUP BY service
UNION ALL
SELECT 'schedule_missed', NULL, s.name, count(*), max(f.fire_at)
FROM (
    SELECT schedule_id, fire_at FROM lockstep.schedule_fires
    WHERE created_at - fire_at > interval '90 seconds'
        AND created_at > now() - $2::bigint * interval '1 millisecond'
    UNION
    -- Redis may have lost the slot's jobs: then it is new since the epoch began.
    SELECT schedule_id, fire_at FROM lockstep.schedule_fires
    WHERE state = 'enqueueing' AND fire_at < now() - $2::bigint * interval '1 millisecond'
        AND created_at < now() - $2::bigint * interval '1 millisecond'
        AND NOT EXISTS (
            SELECT FROM lockstep.dispatch WHERE started_at > now() - $2::bigint * interval '1 millisecond')
) f JOIN lockstep.schedules s ON s.id = f.schedule_id
GROUP BY s.name
