-- Approves or rejects a held sweep. Parameters: id, whether it is approved. Reply: whether this call decided, status,
-- deletions; no row when there is no such sweep.
SELECT decided, outcome, removed FROM lockstep.decide_sweep($1, $2)
