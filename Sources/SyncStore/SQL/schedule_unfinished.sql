-- Slots whose jobs are not all enqueued, oldest first. Parameter: limit.
SELECT f.schedule_id, (extract(epoch FROM f.fire_at) * 1000000)::bigint, f.last_integration_id, s.type, s.service,
       s.spread_seconds, s.name
FROM lockstep.schedule_fires f JOIN lockstep.schedules s ON s.id = f.schedule_id
WHERE f.state = 'enqueueing' ORDER BY f.fire_at LIMIT $1
