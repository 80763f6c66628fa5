-- The action that has this key, for a wish that cannot become a new one. Parameters: integration, name, input, key. Reply: as of
-- action_request; no row when nothing has the key.
SELECT id, false, integration_id = $1 AND name = $2 AND input = $3::jsonb, status
FROM lockstep.actions WHERE idempotency_key = $4
