-- Notes how far a slot's enqueueing has come. Only its owner may, and only in the round that it knows.
-- Parameters: schedule id, slot, last integration id, jobs enqueued since, whether that was all, owner, round.
UPDATE lockstep.schedule_fires SET
    enqueued = enqueued + $4, last_integration_id = greatest(last_integration_id, $3),
    state = CASE WHEN $5 THEN 'enqueued' ELSE state END,
    completed_at = CASE WHEN $5 THEN now() ELSE completed_at END,
    owner = CASE WHEN $5 THEN NULL ELSE owner END,
    owned_until = CASE WHEN $5 THEN NULL ELSE now() + interval '15 s' END
WHERE schedule_id = $1 AND fire_at = to_timestamp($2::bigint / 1000000.0) AND state = 'enqueueing'
    AND last_integration_id <= $3 AND owner = $6 AND round = $7
RETURNING state
