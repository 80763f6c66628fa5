-- Marks absences among the next rows. Parameters: integration id, fence, sweep id, path of the time, its format, milliseconds
-- before the run in which the list may be late, after, limit. Reply: the last id or null.
SELECT lockstep.mark_absent_in_window($1, $2, $3, $4::text[], $5, $6, $7, $8::int)
