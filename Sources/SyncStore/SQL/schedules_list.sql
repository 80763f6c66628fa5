-- Schedules, with the newest slot of each. Parameters: none.
SELECT s.id, s.name, s.cron, s.time_zone, s.type, s.service, s.enabled, s.catch_up, s.spread_seconds, s.updated_at,
       (SELECT max(f.fire_at) FROM lockstep.schedule_fires f WHERE f.schedule_id = s.id), now()
FROM lockstep.schedules s ORDER BY s.id
