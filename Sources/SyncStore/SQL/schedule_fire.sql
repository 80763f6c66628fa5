-- Takes slots of a schedule: a row is unique, so one scheduler gets it, and one that was revived is taken once more.
-- Parameters: schedule id, slots in microseconds, their skipped reasons or nulls. Reply: the slots that this call took.
WITH due AS (
    SELECT to_timestamp(slot / 1000000.0) AS at, reason FROM unnest($2::bigint[], $3::text[]) AS due (slot, reason)
), gone AS (
    -- Revived slots that the schedule does not have any more: they must not be looked for again.
    UPDATE lockstep.schedule_fires f SET revived = false
    WHERE f.schedule_id = $1 AND f.revived AND f.fire_at <= (SELECT max(at) FROM due)
        AND NOT EXISTS (SELECT 1 FROM due WHERE due.at = f.fire_at)
)
INSERT INTO lockstep.schedule_fires AS f (schedule_id, fire_at, state, skipped_reason, completed_at)
SELECT $1, at, CASE WHEN reason IS NULL THEN 'enqueueing' ELSE 'skipped' END, reason,
       CASE WHEN reason IS NOT NULL THEN now() END
FROM due
ON CONFLICT (schedule_id, fire_at) DO UPDATE SET state = excluded.state, skipped_reason = excluded.skipped_reason,
    completed_at = excluded.completed_at, revived = false WHERE f.revived
RETURNING (extract(epoch FROM fire_at) * 1000000)::bigint
