-- Moves an integration to another status and opens one alert for it. Parameters: integration id, status, alert kind,
-- title, detail.
WITH changed AS (
    UPDATE lockstep.integrations SET status = $2, updated_at = now()
    WHERE id = $1 AND status <> $2 RETURNING id, service
)
INSERT INTO lockstep.alerts (kind, service, integration_id, title, detail)
SELECT $3, service, id, $4, $5 FROM changed
ON CONFLICT DO NOTHING
