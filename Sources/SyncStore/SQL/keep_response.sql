-- Keeps the response that a run failed of. Parameters: integration id, run, status or null, size, the beginning of the body.
INSERT INTO lockstep.kept_responses (integration_id, sync_id, status_code, size, body) VALUES ($1, $2, $3::int, $4, $5)
ON CONFLICT (sync_id) DO NOTHING
