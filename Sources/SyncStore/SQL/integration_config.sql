-- The configuration of an integration. Parameter: its id. Reply: a JSON object.
SELECT config::text FROM lockstep.integrations WHERE id = $1
