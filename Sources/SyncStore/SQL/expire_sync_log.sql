-- Deletes old rows of the sync log, with those of their streams. The newest run of an integration that succeeded stays, as
-- the one that tells when it last did; so does what is running. Parameters: age in ms, how many at most. Reply: their number.
WITH old AS (
    SELECT l.id FROM lockstep.sync_log l
    WHERE l.started_at < now() - $1::bigint * interval '1 millisecond'
        AND l.completed_at < now() - $1::bigint * interval '1 millisecond'
        AND (l.status <> 'succeeded'
            OR EXISTS (SELECT FROM lockstep.sync_log n
                       WHERE n.integration_id = l.integration_id AND n.id > l.id AND n.status = 'succeeded')
            OR NOT EXISTS (SELECT FROM lockstep.integrations i WHERE i.id = l.integration_id))
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM lockstep.sync_log l USING old WHERE l.id = old.id RETURNING 1
)
SELECT count(*) FROM gone
