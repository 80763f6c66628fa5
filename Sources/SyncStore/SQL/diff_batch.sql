-- Checks the fence and compares a batch with the stored rows. Parameters: integration id, fence, stream, generation or
-- null, partition, page, ids, hashes, versions, tombstones. Reply: one array of position * 4 + verdict.
SELECT lockstep.diff_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
