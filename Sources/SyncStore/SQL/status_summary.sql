-- The cluster in one row: integrations by status, records, deletions, runs by status.
SELECT (SELECT count(*) FROM lockstep.integrations WHERE status = 'active'),
       (SELECT count(*) FROM lockstep.integrations WHERE status <> 'active'),
       (SELECT count(*) FROM lockstep.records WHERE deleted_at IS NULL),
       (SELECT count(*) FROM lockstep.deletions),
       (SELECT count(*) FROM lockstep.quarantine),
       (SELECT count(*) FROM lockstep.alerts WHERE resolved_at IS NULL)
