-- Deletes old dead letters of subscriptions, but those that are to be delivered once more, and those that the cursor has not passed:
-- they keep the feed from telling the change again. Parameters: age in ms, how many at most. Reply: their number.
WITH old AS (
    SELECT e.ctid AS place FROM lockstep.subscription_events e
    JOIN lockstep.subscriptions s ON s.id = e.subscription_id
    WHERE e.status = 'dead' AND e.failed_at < now() - $1::bigint * interval '1 millisecond'
        AND (e.due_at IS NULL OR e.due_at < now() - $1::bigint * interval '1 millisecond')
        AND (e.change_xid, e.change_row) <= (s.cursor_xid, s.cursor_row)
    ORDER BY e.failed_at LIMIT $2 FOR UPDATE OF e SKIP LOCKED
), gone AS (
    DELETE FROM lockstep.subscription_events e USING old WHERE e.ctid = old.place RETURNING 1
)
SELECT count(*) FROM gone
