-- Repairs what a clock that was ahead for a while left behind: slots of the future that were skipped are decided anew when
-- their time comes, and no schedule counts as changed in the future. Slots that did fire stay, so none fires twice; no row
-- goes, so none is forgotten. Parameters: none. Reply: one row with the number of rows repaired.
WITH revived AS (
    UPDATE lockstep.schedule_fires SET revived = true
    WHERE state = 'skipped' AND fire_at > now() AND NOT revived RETURNING 1
), aged AS (
    UPDATE lockstep.schedules SET updated_at = now() WHERE updated_at > now() RETURNING 1
)
SELECT (SELECT count(*) FROM revived) + (SELECT count(*) FROM aged)
