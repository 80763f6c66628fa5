-- Deletes some rows. Parameters: integration id, table to go on with, limit. See lockstep.erase_batch.
SELECT lockstep.erase_batch($1, $2, $3::int)
