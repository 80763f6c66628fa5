-- Pauses or resumes a subscription. Parameters: id, status. Reply: a row when there is one.
UPDATE lockstep.subscriptions SET status = $2, due_at = now(), updated_at = now() WHERE id = $1 RETURNING id
