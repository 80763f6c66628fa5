-- Requests of a run as the API gives them, in the order in which they were sent. Parameters: id of the run, how many to pass
-- over, limit. Reply: JSON.
SELECT jsonb_build_object(
    'at', l.at, 'method', l.method, 'endpoint', l.endpoint, 'status_code', l.status_code, 'duration_ms', l.duration_ms,
    'bytes', l.bytes, 'request_id', l.request_id, 'error', l.error)::text
FROM lockstep.api_log l WHERE l.sync_id = $1
-- Rows are never changed: where a row is tells two of the same moment apart.
ORDER BY l.at, l.tableoid, l.ctid OFFSET $2 LIMIT $3
