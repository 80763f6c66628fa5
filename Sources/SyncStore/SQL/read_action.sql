-- One action as the API gives it, with what it takes and gave. Parameter: its id. Reply: id, JSON; no row when there is none.
SELECT a.id, jsonb_build_object(
    'id', a.id, 'integration_id', a.integration_id, 'user_id', i.user_id, 'service', i.service, 'account', i.account,
    'name', a.name, 'status', a.status, 'input', a.input, 'result', a.result, 'error_code', a.error_code,
    'error_message', a.error_message, 'error_detail', a.error_detail, 'attempts', a.attempts,
    'idempotency_key', a.idempotency_key, 'created_at', a.created_at, 'completed_at', a.completed_at)::text
FROM lockstep.actions a JOIN lockstep.integrations i ON i.id = a.integration_id
WHERE a.id = $1
