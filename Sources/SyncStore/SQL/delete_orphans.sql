-- Deletes records of a child stream whose parent is deleted. Parameters: integration id, fence, stream, parent stream,
-- sync id, limit. Reply: how many.
SELECT lockstep.delete_orphans($1, $2, $3, $4, $5, $6::int)
