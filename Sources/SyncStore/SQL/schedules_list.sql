-- Schedules, with the newest slot of each that is decided and not in the future: what comes after it is owed. A slot that was
-- revived is not decided. Parameters: none. Reply: always a row, so that the time is known: its id is null when there is no
-- schedule.
SELECT s.id, s.name, s.cron, s.time_zone, s.type, s.service, s.enabled, s.catch_up, s.spread_seconds, s.updated_at,
       least((SELECT max(f.fire_at) FROM lockstep.schedule_fires f WHERE f.schedule_id = s.id AND f.fire_at <= now()),
             (SELECT min(f.fire_at) - interval '1 us' FROM lockstep.schedule_fires f
              WHERE f.schedule_id = s.id AND f.revived AND f.fire_at >= s.updated_at AND f.fire_at <= now())),
       now(), s.integration_id
FROM (SELECT 1) one LEFT JOIN lockstep.schedules s ON true ORDER BY s.name
