-- Saves a pass. Parameters: see lockstep.save_subscription. Reply: whether it was the caller's.
SELECT lockstep.save_subscription($1, $2, $3, $4, $5::bigint, $6, $7, $8, $9::text, $10, $11, $12, $13, $14, $15, $16, $17, $18,
    $19, $20, $21, $22)
