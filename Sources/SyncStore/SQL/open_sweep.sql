-- Opens a generation's sweep, or finds it. Parameters: integration id, fence, stream, partition, generation, sync id.
SELECT lockstep.open_sweep($1, $2, $3, $4, $5, $6)
