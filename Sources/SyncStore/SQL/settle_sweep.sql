-- Publishes or holds a sweep. Parameters: integration id, fence, sweep id, guard rows, guard share, two runs.
SELECT outcome, removed FROM lockstep.settle_sweep($1, $2, $3, $4, $5, $6)
