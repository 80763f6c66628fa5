-- Deletes the records of a slice that do not outlive the deleted ones. Parameters: integration id, stream, partition,
-- sync id, path to the id of the other record, ids of the deleted. Reply: how many.
SELECT lockstep.delete_members($1, $2, $3, $4, $5::text[], $6::text[])
