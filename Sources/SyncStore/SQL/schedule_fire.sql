-- Takes slots of a schedule: a row is unique, so one scheduler gets it. Parameters: schedule id, slots in microseconds,
-- their skipped reasons or nulls. Reply: the slots that this call made.
INSERT INTO lockstep.schedule_fires (schedule_id, fire_at, state, skipped_reason, completed_at)
SELECT $1, to_timestamp(slot / 1000000.0), CASE WHEN reason IS NULL THEN 'enqueueing' ELSE 'skipped' END, reason,
       CASE WHEN reason IS NOT NULL THEN now() END
FROM unnest($2::bigint[], $3::text[]) AS due (slot, reason)
ON CONFLICT (schedule_id, fire_at) DO NOTHING
RETURNING (extract(epoch FROM fire_at) * 1000000)::bigint
