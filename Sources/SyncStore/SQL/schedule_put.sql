-- Adds a schedule, or with an id changes that one. Parameters: id or null, name, cron, time zone, type, service or null,
-- integration or null, enabled, catch_up, spread seconds. Reply: the id, if the row was written.
WITH changed AS (
    UPDATE lockstep.schedules SET name = $2, cron = $3, time_zone = $4, type = $5, service = $6, integration_id = $7,
        enabled = $8, catch_up = $9, spread_seconds = $10
    WHERE id = $1 RETURNING id
), added AS (
    INSERT INTO lockstep.schedules
        (name, cron, time_zone, type, service, integration_id, enabled, catch_up, spread_seconds)
    SELECT $2, $3, $4, $5, $6, $7, $8, $9, $10 WHERE $1::bigint IS NULL
    ON CONFLICT (name) DO NOTHING RETURNING id
)
SELECT id FROM changed UNION ALL SELECT id FROM added
