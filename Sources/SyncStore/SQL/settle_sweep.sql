-- Publishes or holds a sweep. Parameters: integration id, fence, sweep id, guard rows, guard share, two runs, child streams,
-- and the parent stream of each.
SELECT outcome, removed FROM lockstep.settle_sweep($1, $2, $3, $4, $5, $6, $7, $8)
