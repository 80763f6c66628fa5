-- The next integrations that a slot may concern, and which of them it does. A schedule of an integration replaces
-- those of its service of the same type, and these replace the schedules of all services; disabled ones do so too.
-- In a later round, after Redis lost its content, only integrations that have not succeeded since the slot.
-- Parameters: type, service or null, integration or null, after id, limit, round, slot, completed (microseconds or null).
-- Reply: id, whether it is enqueued, the time.
WITH page AS (
    SELECT id, service, status, created_at FROM lockstep.integrations
    WHERE id > $4 AND ($2::text IS NULL OR service = $2) AND ($3::bigint IS NULL OR id = $3)
    ORDER BY id LIMIT $5
), replaced AS (
    SELECT service FROM lockstep.schedules
    WHERE type = $1 AND integration_id IS NULL AND service IS NOT NULL AND $2::text IS NULL AND $3::bigint IS NULL
)
SELECT page.id,
       page.status = 'active'
       AND NOT EXISTS (SELECT 1 FROM replaced r WHERE r.service = page.service)
       AND ($3::bigint IS NOT NULL OR NOT EXISTS (
            SELECT 1 FROM lockstep.schedules o WHERE o.integration_id = page.id AND o.type = $1))
       AND ($6::integer = 0 OR (
            page.created_at <= coalesce(to_timestamp($8::bigint / 1000000.0), now())
            AND coalesce((
                SELECT min(coalesce(CASE WHEN $1 = 'full' THEN y.last_full_at ELSE y.last_success_at END, '-infinity'))
                FROM lockstep.sync_state y WHERE y.integration_id = page.id
            ) < to_timestamp($7::bigint / 1000000.0), true))),
       now()
FROM page ORDER BY page.id
