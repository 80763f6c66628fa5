-- Services with their health as the API gives them, by name. No parameters. Reply: one JSON array.
SELECT coalesce(jsonb_agg(jsonb_build_object(
    'service', h.service, 'status', h.status, 'integrations', c.count, 'last_success_at', h.last_success,
    'last_failure_at', h.last_failure, 'error_rate_24h', h.error_rate_24h, 'runs_24h', h.runs_24h)
    ORDER BY h.service), '[]')::text
FROM lockstep.integration_health h
JOIN (SELECT service, count(*) AS count FROM lockstep.integrations GROUP BY service) c ON c.service = h.service
WHERE h.scope = 'service'
