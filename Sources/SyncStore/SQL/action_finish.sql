-- Ends an attempt of an action. Parameters: see lockstep.finish_action. Reply: whether the action was still this attempt's.
SELECT lockstep.finish_action($1, $2::int, $3, $4, $5, $6, lockstep.said_at($7, $10), $8, $9, $10, $11, $12, $13, $14)
