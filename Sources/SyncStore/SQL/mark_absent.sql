-- Marks absences among the next rows. Parameters: integration id, fence, sweep id, after, limit. Reply: the last id or null.
SELECT lockstep.mark_absent($1, $2, $3, $4, $5::int)
