-- Notes that an action is about to be sent, if it is still this attempt's and its integration in service. Parameters: action,
-- attempt of the action, whether nothing came of earlier requests, so that the doubt begins with this one. Reply: one row if so.
UPDATE lockstep.actions a SET updated_at = now(),
    in_doubt_since = CASE WHEN $3::boolean THEN now() ELSE coalesce(a.in_doubt_since, now()) END
FROM lockstep.integrations i
WHERE a.id = $1 AND a.attempts = $2::int AND a.status = 'running' AND i.id = a.integration_id AND i.status = 'active'
RETURNING true
