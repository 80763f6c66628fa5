-- Deletes old webhook events that are settled, and those of integrations out of service: who comes back after so long reads
-- with a sync what they told. Parameters: age in ms, how many at most. Reply: their number.
WITH old AS (
    SELECT id FROM lockstep.webhook_events
    WHERE received_at < now() - $1::bigint * interval '1 millisecond'
        AND (status IN ('done', 'ignored', 'failed')
            OR status = 'received' AND NOT EXISTS (
                SELECT FROM lockstep.integrations i WHERE i.id = webhook_events.integration_id AND i.status = 'active'))
    LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM lockstep.webhook_events e USING old WHERE e.id = old.id RETURNING 1
)
SELECT count(*) FROM gone
