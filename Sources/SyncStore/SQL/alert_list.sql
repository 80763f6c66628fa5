-- Alerts, the newest first. Parameters: whether resolved ones too, before id or null, limit. The last column tells of each way
-- what became of the newest delivery.
SELECT a.id, a.kind, a.service, a.integration_id, a.subject, a.opened_at, a.resolved_at, a.title, a.detail, (
    SELECT string_agg(format('%s %s%s', d.channel, d.status, CASE WHEN d.status <> 'sent' AND d.error IS NOT NULL
        THEN format(' (%s)', d.error) ELSE '' END), ', ' ORDER BY d.channel)
    FROM (
        SELECT DISTINCT ON (channel) channel, status, error FROM lockstep.alert_deliveries
        WHERE alert_id = a.id ORDER BY channel, id DESC
    ) d)
FROM lockstep.alerts a
WHERE ($1::boolean OR a.resolved_at IS NULL) AND ($2::bigint IS NULL OR a.id < $2)
ORDER BY a.id DESC LIMIT $3
