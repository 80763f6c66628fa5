-- Publishes or holds the sweep of a stretch. Parameters: integration id, fence, sweep id, path of the time, its format, guard
-- rows, guard share, child streams, and the parent stream of each.
SELECT outcome, removed FROM lockstep.settle_window_sweep($1, $2, $3, $4::text[], $5, $6, $7, $8, $9)
