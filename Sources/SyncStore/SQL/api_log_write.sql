-- Adds requests to the request log. Parameters: arrays of their ages in ms, integration ids or null, services, methods,
-- endpoints, status codes or null, durations in ms, bytes, request ids or null, classes of errors or null, ids of runs or null.
-- Those of an integration that is being erased, or was, are left out; the lock makes an erasure wait for this statement.
WITH living AS MATERIALIZED (
    -- From the ids to their rows by the key: an array of hundreds would be compared with every row of a small table.
    SELECT i.id FROM (SELECT DISTINCT unnest($2::bigint[]) AS id) w JOIN lockstep.integrations i USING (id)
    WHERE i.erasing_since IS NULL FOR KEY SHARE OF i
)
INSERT INTO lockstep.api_log (at, integration_id, service, method, endpoint, status_code, duration_ms, bytes, request_id,
    error, sync_id)
SELECT clock_timestamp() - r.age * interval '1 millisecond', r.integration_id, r.service, r.method, r.endpoint,
       r.status_code::integer, r.duration_ms::integer, r.bytes, r.request_id, r.error, r.sync_id
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::text[], $10::text[], $11::bigint[])
    AS r (age, integration_id, service, method, endpoint, status_code, duration_ms, bytes, request_id, error,
        sync_id)
WHERE r.integration_id IS NULL OR r.integration_id IN (SELECT id FROM living)
