-- SPDX-License-Identifier: Apache-2.0
-- Alerts that schedulers open and resolve, and that are told to somebody: each opening and each resolution is a row to be
-- delivered from the same transaction on, whoever makes it.

ALTER TABLE lockstep.alerts
    -- Which queue or schedule it is about; empty when service and integration say it.
    ADD COLUMN subject text COLLATE "C" NOT NULL DEFAULT '',
    -- When its cause was seen last; of alerts that schedulers watch.
    ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now();

DROP INDEX lockstep.alerts_open;
-- One open alert per cause: opening it again changes nothing.
CREATE UNIQUE INDEX alerts_open ON lockstep.alerts
    (kind, coalesce(service, ''), coalesce(integration_id, 0), subject) WHERE resolved_at IS NULL;
CREATE INDEX alerts_resolved ON lockstep.alerts (resolved_at) WHERE resolved_at IS NOT NULL;

-- What the rules look at every few seconds. A partition that is made later gets the first one when it is attached.
CREATE INDEX api_log_failures ON lockstep.api_log (at, service) WHERE status_code >= 500 OR status_code IS NULL;
CREATE INDEX schedule_fires_late ON lockstep.schedule_fires (created_at)
    WHERE created_at - fire_at > interval '90 seconds';

-- Whose turn it is to look: one scheduler at a time.
CREATE TABLE lockstep.alert_watch (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    due_at    timestamptz NOT NULL DEFAULT now()
);
INSERT INTO lockstep.alert_watch DEFAULT VALUES;

-- The ways on which alerts are told, and when a scheduler last was configured for them.
CREATE TABLE lockstep.alert_channels (
    channel  text PRIMARY KEY CHECK (channel IN ('webhook', 'slack')),
    seen_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE lockstep.alert_deliveries (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id    bigint NOT NULL REFERENCES lockstep.alerts ON DELETE CASCADE,
    event       text NOT NULL CHECK (event IN ('opened', 'resolved')),
    channel     text NOT NULL REFERENCES lockstep.alert_channels,
    status      text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'sent', 'dead')),
    attempts    integer NOT NULL DEFAULT 0,
    -- When it is tried next; while an attempt runs, when another scheduler takes it for dead.
    due_at      timestamptz NOT NULL DEFAULT now(),
    created_at  timestamptz NOT NULL DEFAULT now(),
    settled_at  timestamptz,
    error       text,
    UNIQUE (alert_id, channel, event)
);

CREATE INDEX alert_deliveries_due ON lockstep.alert_deliveries (due_at) WHERE status = 'pending';

-- An opening is told on the ways that were configured in the last week, so that none gets lost while no scheduler runs; a
-- resolution, on those on which the opening is.
CREATE FUNCTION lockstep.announce_alert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO lockstep.alert_deliveries (alert_id, event, channel)
        SELECT NEW.id, 'opened', c.channel FROM lockstep.alert_channels c
        WHERE c.seen_at > now() - interval '7 days';
    ELSE
        INSERT INTO lockstep.alert_deliveries (alert_id, event, channel)
        SELECT NEW.id, 'resolved', d.channel FROM lockstep.alert_deliveries d
        WHERE d.alert_id = NEW.id AND d.event = 'opened'
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER alerts_opened AFTER INSERT ON lockstep.alerts FOR EACH ROW
    EXECUTE FUNCTION lockstep.announce_alert();
CREATE TRIGGER alerts_resolved AFTER UPDATE OF resolved_at ON lockstep.alerts FOR EACH ROW
    WHEN (OLD.resolved_at IS NULL AND NEW.resolved_at IS NOT NULL)
    EXECUTE FUNCTION lockstep.announce_alert();

-- Takes deliveries whose time has come, for one attempt each. A resolution waits for its opening.
CREATE FUNCTION lockstep.claim_alert_deliveries(p_channels text[], p_lease_ms bigint, p_limit integer)
RETURNS TABLE (
    delivery_id bigint, attempt integer, event text, channel text, alert_id bigint, kind text, service text,
    integration_id bigint, subject text, opened_at timestamptz, resolved_at timestamptz, title text, detail text,
    clock timestamptz
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY UPDATE lockstep.alert_deliveries d
    SET attempts = d.attempts + 1, due_at = now() + p_lease_ms * interval '1 millisecond'
    FROM lockstep.alerts a
    WHERE a.id = d.alert_id AND d.id IN (
        SELECT p.id FROM lockstep.alert_deliveries p
        WHERE p.status = 'pending' AND p.due_at <= now() AND p.channel = ANY (p_channels)
            AND NOT EXISTS (
                SELECT FROM lockstep.alert_deliveries e
                WHERE e.alert_id = p.alert_id AND e.channel = p.channel AND e.id < p.id AND e.status = 'pending')
        ORDER BY p.due_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
    RETURNING d.id, d.attempts, d.event, d.channel, a.id, a.kind, a.service, a.integration_id, a.subject, a.opened_at,
        a.resolved_at, a.title, a.detail, clock_timestamp();
END
$$;

GRANT SELECT ON lockstep.alert_deliveries, lockstep.alert_channels TO lockstep_dashboard;

-- A service is down only when at least half of its accounts say so: one account that fails tells nothing of a service
-- whose other accounts did not run.
CREATE OR REPLACE VIEW lockstep.integration_health AS
WITH finished AS (
    SELECT integration_id, status, completed_at,
           row_number() OVER (PARTITION BY integration_id ORDER BY id DESC) AS age
    FROM lockstep.sync_log
    WHERE status IN ('succeeded', 'failed') AND started_at > now() - interval '24 hours' AND type <> 'action'
), totals AS (
    SELECT integration_id,
           count(*) AS runs,
           count(*) FILTER (WHERE status = 'failed') AS failures,
           bool_or(status = 'failed') FILTER (WHERE age = 1) AS last_failed,
           count(*) FILTER (WHERE status = 'failed' AND age <= 3) = 3 AS three_failed,
           max(completed_at) FILTER (WHERE status = 'succeeded') AS last_success,
           max(completed_at) FILTER (WHERE status = 'failed') AS last_failure
    FROM finished GROUP BY integration_id
), per_integration AS (
    SELECT i.id, i.user_id, i.service, i.account,
           CASE
               WHEN i.status IN ('paused', 'disconnected') THEN 'paused'
               WHEN i.status = 'reauth_required' THEN 'reauth_required'
               WHEN t.runs IS NULL THEN 'idle'
               WHEN t.three_failed THEN 'down'
               WHEN t.last_failed OR (t.runs >= 5 AND t.failures * 10 > t.runs) THEN 'degraded'
               ELSE 'healthy'
           END AS status,
           t.last_success, t.last_failure,
           coalesce(t.runs, 0) AS runs, coalesce(t.failures, 0) AS failures
    FROM lockstep.integrations i LEFT JOIN totals t ON t.integration_id = i.id
)
SELECT 'integration' AS scope, service, id AS integration_id, user_id, account, status,
       last_success, last_failure,
       CASE WHEN runs = 0 THEN NULL ELSE failures::double precision / runs END AS error_rate_24h,
       runs AS runs_24h
FROM per_integration
UNION ALL
SELECT 'service', service, NULL, NULL, NULL,
       CASE
           WHEN bool_and(status = 'paused') THEN 'paused'
           WHEN bool_and(status IN ('paused', 'idle', 'reauth_required'))
               THEN CASE WHEN bool_or(status = 'idle') THEN 'idle' ELSE 'reauth_required' END
           WHEN count(*) FILTER (WHERE status IN ('healthy', 'degraded')) = 0
               AND 2 * count(*) FILTER (WHERE status = 'down') >= count(*) FILTER (WHERE status IN ('down', 'idle'))
               THEN 'down'
           WHEN bool_or(status IN ('degraded', 'down')) THEN 'degraded'
           ELSE 'healthy'
       END,
       max(last_success), max(last_failure),
       CASE WHEN sum(runs) = 0 THEN NULL ELSE sum(failures)::double precision / sum(runs) END,
       sum(runs)::bigint
FROM per_integration GROUP BY service;
