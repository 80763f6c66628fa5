-- SPDX-License-Identifier: Apache-2.0
-- What dashboards read: the health view, and a role that sees logs and health but no payloads and no secrets.
--
-- Health rules: no finished run in 24 hours is `idle`, never `down`. Three failures in a row are `down`. At least
-- 5 finished runs of which more than a tenth failed are `degraded`, as is a last run that failed.

CREATE VIEW lockstep.integration_health AS
WITH finished AS (
    SELECT integration_id, status, completed_at,
           row_number() OVER (PARTITION BY integration_id ORDER BY id DESC) AS age
    FROM lockstep.sync_log
    WHERE status IN ('succeeded', 'failed') AND started_at > now() - interval '24 hours'
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
           WHEN bool_and(status = 'down') FILTER (WHERE status IN ('healthy', 'degraded', 'down')) THEN 'down'
           WHEN bool_or(status IN ('degraded', 'down')) THEN 'degraded'
           ELSE 'healthy'
       END,
       max(last_success), max(last_failure),
       CASE WHEN sum(runs) = 0 THEN NULL ELSE sum(failures)::double precision / sum(runs) END,
       sum(runs)::bigint
FROM per_integration GROUP BY service;

-- Roles belong to the server, not to the database: another database may have made it already.
DO $$
BEGIN
    CREATE ROLE lockstep_dashboard NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- made already, perhaps in this very moment by another database's migration
END
$$;

GRANT USAGE ON SCHEMA lockstep TO lockstep_dashboard;
GRANT SELECT ON lockstep.integration_health, lockstep.sync_log_streams, lockstep.schedules,
    lockstep.schedule_fires, lockstep.api_log, lockstep.alerts TO lockstep_dashboard;
-- Not `error_detail`, which quotes responses, and not the ids of deleted objects, which may be addresses.
GRANT SELECT (id, job_id, attempt, integration_id, user_id, service, account, type, status, worker, fence, enqueued_at,
    started_at, completed_at, pages, api_calls, bytes_read, records_read, records_added, records_updated,
    records_deleted, records_unchanged, records_quarantined, throttled_ms, checkpoints, error_code, error_message)
    ON lockstep.sync_log TO lockstep_dashboard;
GRANT SELECT (id, integration_id, stream, reason, deleted_at, sync_id) ON lockstep.deletions TO lockstep_dashboard;
