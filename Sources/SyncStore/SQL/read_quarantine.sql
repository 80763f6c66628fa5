-- Records that were put aside, the newest first. Parameters: integration id or null, id of the run that met them or null,
-- stream or null, before id, limit, how many bytes to give of each. Reply: id, integration id, stream, external id or null,
-- reason, the first bytes, the number of all, id of the run, time.
SELECT q.id, q.integration_id, q.stream, substring(q.external_id FROM 1 FOR $6::integer), q.reason, substring(q.raw FROM 1 FOR $6::integer),
       length(q.raw), q.sync_id, q.quarantined_at
FROM lockstep.quarantine q
WHERE ($1::bigint IS NULL OR q.integration_id = $1) AND ($2::bigint IS NULL OR q.sync_id = $2)
    AND ($3::text IS NULL OR q.stream = $3) AND q.id < $4
ORDER BY q.id DESC LIMIT $5
