-- The streams of an integration as the API gives them, by name. Parameter: integration id. Reply: one JSON array.
SELECT coalesce(jsonb_agg(t.stream ORDER BY t.name), '[]')::text
FROM (
    SELECT s.stream AS name, jsonb_build_object(
        'stream', s.stream, 'phase', max(s.phase), 'last_success_at', max(s.last_success_at),
        'last_full_at', max(s.last_full_at),
        'records', (SELECT count(*) FROM lockstep.records r
            WHERE r.integration_id = $1 AND r.stream = s.stream AND r.deleted_at IS NULL)) AS stream
    FROM lockstep.sync_state s WHERE s.integration_id = $1 GROUP BY s.stream
) t
