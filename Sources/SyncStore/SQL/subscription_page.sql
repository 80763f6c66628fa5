-- The next changes for a subscription. Parameters: subscription id, service, stream and user or null, transaction and row behind
-- which to read, the transaction before which to stop, rows to look at, changes to return.
-- Reply: at least one row, with the transaction and row of the last one that was looked at, their number, and a change or nulls:
-- transaction, row, integration, stream, external id, whether it is deleted, transaction since which it is alive or null, when it
-- changed, its data as JSON, earlier attempts, whether it was acknowledged or given up already, and whether a mark says that the record was
-- told as alive, or was not; null without a mark.
WITH looked_at AS MATERIALIZED (
    SELECT r.integration_id, r.stream, r.external_id, r.change_xid, r.seq, r.deleted_at, r.live_xid, r.synced_at, r.data
    FROM lockstep.records r
    WHERE (r.change_xid, r.seq) > ($5::bigint::text::xid8, $6::bigint) AND r.change_xid < $7::bigint::text::xid8
    ORDER BY r.change_xid, r.seq LIMIT $8
), ends AS (
    SELECT (SELECT l.change_xid::text::bigint FROM looked_at l ORDER BY l.change_xid DESC, l.seq DESC LIMIT 1) AS xid,
        (SELECT l.seq FROM looked_at l ORDER BY l.change_xid DESC, l.seq DESC LIMIT 1) AS place,
        (SELECT count(*) FROM looked_at) AS looked
), wanted AS (
    SELECT l.change_xid::text::bigint AS xid, l.seq, l.integration_id, l.stream, l.external_id,
        l.deleted_at IS NOT NULL AS is_deleted, l.live_xid::text::bigint AS live_xid,
        coalesce(l.deleted_at, l.synced_at) AS changed_at,
        lockstep.change_body(i.id, i.user_id, i.service, i.account, l.stream, l.external_id, l.deleted_at IS NOT NULL, l.data)
            AS body
    FROM looked_at l JOIN lockstep.integrations i ON i.id = l.integration_id
    WHERE i.erasing_since IS NULL AND ($2::text IS NULL OR i.service = $2) AND ($3::text IS NULL OR l.stream = $3)
        AND ($4::text IS NULL OR i.user_id = $4)
    ORDER BY l.change_xid, l.seq LIMIT $9
)
SELECT n.xid, n.place, n.looked, w.xid, w.seq, w.integration_id, w.stream, w.external_id, w.is_deleted, w.live_xid,
    w.changed_at, w.body, coalesce(e.attempts, 0), coalesce(e.status IN ('done', 'dead'), false), m.is_told
FROM ends n LEFT JOIN wanted w ON true
LEFT JOIN lockstep.subscription_marks m ON m.subscription_id = $1 AND m.seq = w.seq
LEFT JOIN lockstep.subscription_events e
    ON e.subscription_id = $1 AND e.change_xid = w.xid AND e.change_row = w.seq
ORDER BY w.xid, w.seq
