-- How far a wave of jobs is. Parameters: type, since. Reply: integrations that succeeded since, runs under way, live records,
-- deletions, integrations, runs that were superseded since.
SELECT (SELECT count(DISTINCT integration_id) FROM lockstep.sync_log
        WHERE type = $1 AND status = 'succeeded' AND started_at >= to_timestamp($2::bigint / 1000000.0)),
       (SELECT count(*) FROM lockstep.sync_log WHERE status = 'running'),
       (SELECT count(*) FROM lockstep.records WHERE deleted_at IS NULL),
       (SELECT count(*) FROM lockstep.deletions),
       (SELECT count(*) FROM lockstep.integrations WHERE status = 'active'),
       (SELECT count(*) FROM lockstep.sync_log
        WHERE status = 'superseded' AND started_at >= to_timestamp($2::bigint / 1000000.0)),
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
