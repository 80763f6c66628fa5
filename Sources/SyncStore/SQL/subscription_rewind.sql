-- Has a subscription go on behind another place. Parameters: id, transaction, row. Reply: a row when there is one.
UPDATE lockstep.subscriptions SET rewind_xid = $2, rewind_row = $3, due_at = now(), updated_at = now() WHERE id = $1
RETURNING id
