-- Opens the sweep of a stretch of time that was listed, or finds it. Parameters: integration id, fence, stream, partition,
-- sync id, since, until (microseconds since 1970), bounds such as '[)'.
SELECT lockstep.open_window_sweep($1, $2, $3, $4, $5, $6, $7, $8)
