-- Claims slots whose jobs are not all enqueued, oldest first: the caller's own, and those whose scheduler has not spoken for
-- 15 s. A claim further ahead comes from a clock that has
-- gone back; the clock is asked anew for that, as the transaction may have begun before somebody else's claim. Parameters: owner, limit.
WITH free AS (
    SELECT schedule_id, fire_at FROM lockstep.schedule_fires
    WHERE state = 'enqueueing'
        AND (owner IS NULL OR owner = $1 OR owned_until < clock_timestamp() OR owned_until > clock_timestamp() + interval '15 s')
    ORDER BY fire_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE lockstep.schedule_fires f SET owner = $1, owned_until = clock_timestamp() + interval '15 s'
FROM free, lockstep.schedules s
WHERE f.schedule_id = free.schedule_id AND f.fire_at = free.fire_at AND s.id = f.schedule_id
RETURNING f.schedule_id, (extract(epoch FROM f.fire_at) * 1000000)::bigint, f.last_integration_id, s.type, s.service,
    s.spread_seconds, s.name, s.integration_id, f.round, (extract(epoch FROM f.completed_at) * 1000000)::bigint
