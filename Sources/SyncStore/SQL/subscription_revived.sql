-- Dead letters that are to be delivered once more and are due. A record that has changed since is at another place: what is to be
-- told of it, the feed tells. Parameters: subscription id, limit. Reply: transaction, row, integration, stream, external id, event,
-- attempts, when it changed, data as JSON; the last two are null when the record has moved on.
SELECT e.change_xid, e.change_row, e.integration_id, e.stream, e.external_id, e.event, e.attempts,
    coalesce(r.deleted_at, r.synced_at),
    lockstep.change_body(i.id, i.user_id, i.service, i.account, r.stream, r.external_id, r.deleted_at IS NOT NULL, r.data)
FROM lockstep.subscription_events e
LEFT JOIN lockstep.integrations i ON i.id = e.integration_id AND i.erasing_since IS NULL
LEFT JOIN lockstep.records r ON r.integration_id = e.integration_id AND r.stream = e.stream
    AND r.external_id = e.external_id AND r.change_xid = e.change_xid::text::xid8 AND r.seq = e.change_row
WHERE e.subscription_id = $1 AND e.due_at <= now() AND e.status = 'dead'
ORDER BY e.change_xid, e.change_row LIMIT $2
