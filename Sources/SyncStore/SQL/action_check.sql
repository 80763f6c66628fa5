-- Whether an action that was noted as about to be sent is still this attempt's. Parameters: action, attempt of the action.
SELECT true FROM lockstep.actions a JOIN lockstep.integrations i ON i.id = a.integration_id
WHERE a.id = $1 AND a.attempts = $2::int AND a.status = 'running' AND i.status = 'active'
