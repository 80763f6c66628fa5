-- Deletes a subscription with its dead letters. Parameter: id. Reply: a row when there was one.
DELETE FROM lockstep.subscriptions WHERE id = $1 RETURNING id
