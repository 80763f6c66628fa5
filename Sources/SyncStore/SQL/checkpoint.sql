-- Checks the fence, saves how far slices were read and what they counted, and ends the run when a status is given.
-- Parameters: see lockstep.checkpoint; then the milliseconds until the job continues, when that is known.
SELECT lockstep.checkpoint($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
    lockstep.said_at($19, $22::bigint), $20, $21)
