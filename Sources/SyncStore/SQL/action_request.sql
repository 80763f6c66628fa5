-- Accepts an action, or finds the one that has this key. Parameters: integration, name, input, key.
SELECT action_id, is_new, is_same, status FROM lockstep.request_action($1, $2, $3, $4)
