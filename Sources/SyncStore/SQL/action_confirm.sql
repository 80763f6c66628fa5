-- Notes that an action is about to be sent, if it is still this attempt's and its integration in service. Parameters: action,
-- attempt of the action. Reply: one row if so.
UPDATE lockstep.actions a SET in_doubt_since = coalesce(a.in_doubt_since, now()), updated_at = now()
FROM lockstep.integrations i
WHERE a.id = $1 AND a.attempts = $2::int AND a.status = 'running' AND i.id = a.integration_id AND i.status = 'active'
RETURNING true
