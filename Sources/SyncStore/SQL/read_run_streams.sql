-- The streams of one run as the API gives them, by name. Parameter: id of the run. Reply: one JSON array.
SELECT coalesce(jsonb_agg(jsonb_build_object(
    'stream', s.stream, 'pages', s.pages, 'api_calls', s.api_calls, 'bytes_read', s.bytes_read,
    'records_read', s.records_read, 'records_added', s.records_added, 'records_updated', s.records_updated,
    'records_deleted', s.records_deleted, 'records_unchanged', s.records_unchanged,
    'records_quarantined', s.records_quarantined, 'throttled_ms', s.throttled_ms,
    'cursor_before', s.cursor_before, 'cursor_after', s.cursor_after, 'ended_by', s.ended_by)
    ORDER BY s.stream), '[]')::text
FROM lockstep.sync_log_streams s WHERE s.sync_id = $1
