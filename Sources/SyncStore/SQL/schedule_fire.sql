-- Takes a slot: the row is unique, so one scheduler gets it. Parameters: schedule id, slot, skipped reason or null.
-- Reply: a row when this call made the slot.
INSERT INTO lockstep.schedule_fires (schedule_id, fire_at, state, skipped_reason, completed_at)
VALUES ($1, to_timestamp($2::bigint / 1000000.0), CASE WHEN $3::text IS NULL THEN 'enqueueing' ELSE 'skipped' END, $3,
        CASE WHEN $3::text IS NOT NULL THEN now() END)
ON CONFLICT (schedule_id, fire_at) DO NOTHING
RETURNING schedule_id
