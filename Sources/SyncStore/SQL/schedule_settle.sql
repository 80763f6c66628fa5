-- Repairs what a clock that was ahead for a while left behind: slots of the future that were skipped may fire when their
-- time comes, and no schedule counts as changed in the future. Slots that did fire keep their rows, so none fires twice.
-- Parameters: none. Reply: one row with the number of rows repaired.
WITH revived AS (
    DELETE FROM lockstep.schedule_fires WHERE state = 'skipped' AND fire_at > now() RETURNING 1
), aged AS (
    UPDATE lockstep.schedules SET updated_at = now() WHERE updated_at > now() RETURNING 1
)
SELECT (SELECT count(*) FROM revived) + (SELECT count(*) FROM aged)
