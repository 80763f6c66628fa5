-- How many checkpoints of a run were committed. Parameters: integration id, sync id.
SELECT lockstep.count_checkpoints($1, $2)
