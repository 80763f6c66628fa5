-- Writes what diff_batch named. Parameters: integration id, stream, partition, sync id, ids, data, versions, hashes,
-- verdicts.
SELECT lockstep.write_records($1, $2, $3, $4, $5, $6, $7, $8, $9)
