-- Alerts that are open as the API gives them, the newest first, 100 at most. No parameters. Reply: one JSON array.
SELECT coalesce(jsonb_agg(a.alert ORDER BY a.id DESC), '[]')::text
FROM (
    SELECT id, jsonb_build_object('id', id, 'kind', kind, 'service', service, 'integration_id', integration_id,
        'opened_at', opened_at, 'title', title, 'detail', detail) AS alert
    FROM lockstep.alerts WHERE resolved_at IS NULL ORDER BY id DESC LIMIT 100
) a
