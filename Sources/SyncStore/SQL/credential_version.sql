-- The version of an integration's stored credential. Parameter: integration id.
SELECT version FROM lockstep.credentials WHERE integration_id = $1
