-- SPDX-License-Identifier: Apache-2.0
-- Actions as jobs: their attempts, what is in doubt, and when a job for one is made again.
--
-- requested -> running -> succeeded | failed | unknown. An attempt that fails in passing goes back to requested; to running when
-- it may have taken effect. `in_doubt_since` is set before a request goes out, and cleared when it is known that nothing
-- came of it: a worker that dies in between leaves it behind.

ALTER TABLE lockstep.actions
    -- Raised by each attempt that starts: only the newest may send.
    ADD COLUMN attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN job_id text COLLATE "C",
    ADD COLUMN worker text,
    ADD COLUMN in_doubt_since timestamptz,
    ADD COLUMN started_at timestamptz,
    ADD COLUMN completed_at timestamptz,
    ADD COLUMN error_detail text,
    -- A scheduler enqueues the action again at this time, unless it has ended; and how often it did.
    ADD COLUMN sweep_at timestamptz NOT NULL DEFAULT now() + interval '10 seconds',
    ADD COLUMN sweeps integer NOT NULL DEFAULT 0;

CREATE INDEX actions_unfinished ON lockstep.actions (sweep_at) WHERE status IN ('requested', 'running');
CREATE INDEX actions_by_integration ON lockstep.actions (integration_id, id);
CREATE INDEX actions_by_job ON lockstep.actions (job_id) WHERE status IN ('requested', 'running');

-- Not `input` and `result`, which are content, and not `error_detail`, which quotes answers.
GRANT SELECT (id, integration_id, name, status, error_code, error_message, attempts, created_at, updated_at, started_at,
    completed_at) ON lockstep.actions TO lockstep_dashboard;

-- Accepts an action, or finds the one that has this key. Reply: no row when there is no such integration; else the action's
-- id, whether it is new, whether it wishes for the same, and its status.
CREATE FUNCTION lockstep.request_action(
    p_integration_id bigint, p_name text, p_input jsonb, p_key text
) RETURNS TABLE (action_id bigint, is_new boolean, is_same boolean, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    -- An erasure holds the row while it deletes.
    PERFORM 1 FROM lockstep.integrations i WHERE i.id = p_integration_id AND i.erasing_since IS NULL
    FOR KEY SHARE;
    IF NOT FOUND THEN RETURN; END IF;
    RETURN QUERY INSERT INTO lockstep.actions AS a (integration_id, name, input, idempotency_key)
        VALUES (p_integration_id, p_name, p_input, p_key)
        ON CONFLICT (idempotency_key) DO NOTHING RETURNING a.id, true, true, a.status;
    IF FOUND THEN RETURN; END IF;
    RETURN QUERY SELECT a.id, false,
        a.integration_id = p_integration_id AND a.name = p_name AND a.input = p_input, a.status
        FROM lockstep.actions a WHERE a.idempotency_key = p_key;
END
$$;

-- Starts an attempt: takes the action from every earlier attempt, ends the log rows of those that died, and inserts this
-- one's. The fence stays as it is: an action writes no records, and need not stop a sync.
-- Reply: one row; `outcome` is 'opened'; 'unknown' when there is no such action of this integration; 'done' when it has ended;
-- or the status of an integration that is not active, and then the action has ended.
CREATE FUNCTION lockstep.begin_action(
    p_action_id bigint, p_integration_id bigint, p_job_id text, p_attempt integer, p_worker text, p_enqueued_ms bigint
) RETURNS TABLE (
    outcome text, user_id text, service text, account text, config jsonb, sync_id bigint, credential_kind text,
    credential_version bigint, ciphertext bytea, name text, input jsonb, idempotency_key text, attempts integer,
    doubt_ms bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    act lockstep.actions;
    target lockstep.integrations;
    v_outcome text := 'opened';
    v_sync_id bigint;
BEGIN
    SELECT a.* INTO act FROM lockstep.actions a
    WHERE a.id = p_action_id AND a.integration_id = p_integration_id FOR UPDATE;
    IF NOT FOUND THEN
        v_outcome := 'unknown';
    ELSIF act.status NOT IN ('requested', 'running') THEN
        v_outcome := 'done';
    END IF;

    UPDATE lockstep.sync_log l SET status = 'superseded', completed_at = now(), error_code = 'superseded',
        error_message = 'This was interrupted and is taken up again.',
        error_detail = format('attempt %s of action %s did not end', l.attempt, p_action_id)
    WHERE l.status = 'running' AND l.integration_id = p_integration_id AND l.type = 'action'
        AND l.job_id IN (p_job_id, act.job_id);

    IF v_outcome = 'opened' THEN
        SELECT i.* INTO target FROM lockstep.integrations i WHERE i.id = p_integration_id;
        IF target.status <> 'active' THEN
            v_outcome := target.status;
            UPDATE lockstep.actions a SET
                status = CASE WHEN a.in_doubt_since IS NULL THEN 'failed' ELSE 'unknown' END,
                error_code = 'integration_inactive', error_message = 'This account is not connected at the moment.',
                error_detail = format('the integration is %s', target.status), completed_at = now(), updated_at = now()
            WHERE a.id = p_action_id;
        END IF;
    END IF;
    IF v_outcome <> 'opened' THEN
        RETURN QUERY SELECT v_outcome, NULL::text, NULL::text, NULL::text, NULL::jsonb, NULL::bigint, NULL::text,
            NULL::bigint, NULL::bytea, NULL::text, NULL::jsonb, NULL::text, NULL::integer, NULL::bigint;
        RETURN;
    END IF;

    UPDATE lockstep.actions a SET status = 'running', attempts = a.attempts + 1, job_id = p_job_id, worker = p_worker,
        started_at = coalesce(a.started_at, now()), updated_at = now(), sweep_at = now() + interval '5 minutes'
    WHERE a.id = p_action_id RETURNING a.* INTO act;
    INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type, status, worker,
        fence, enqueued_at)
    VALUES (p_job_id, p_attempt, target.id, target.user_id, target.service, target.account, 'action', 'running', p_worker,
        target.fence, to_timestamp(p_enqueued_ms / 1000.0))
    RETURNING id INTO v_sync_id;
    RETURN QUERY
    SELECT 'opened', target.user_id, target.service, target.account, target.config, v_sync_id, c.kind, c.version,
        c.ciphertext, act.name, act.input, act.idempotency_key, act.attempts,
        (extract(epoch FROM clock_timestamp() - act.in_doubt_since) * 1000)::bigint
    FROM (SELECT 1) one LEFT JOIN lockstep.credentials c ON c.integration_id = target.id;
END
$$;

-- Ends an attempt, and its log row. A status 'requested' or 'running' leaves the action for a later attempt, after
-- `p_wait_ms`. Whoever knows that the action took effect is right, even when a later attempt has begun or given up.
-- Reply: whether the action was still this attempt's.
CREATE FUNCTION lockstep.finish_action(
    p_action_id bigint, p_attempts integer, p_sync_id bigint, p_status text, p_result jsonb, p_code text, p_message text,
    p_detail text, p_is_in_doubt boolean, p_wait_ms bigint, p_log_status text, p_api_calls bigint, p_bytes bigint,
    p_throttled_ms bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    is_mine boolean;
BEGIN
    UPDATE lockstep.actions SET status = p_status, result = p_result, error_code = p_code, error_message = p_message,
        error_detail = p_detail, updated_at = now(),
        in_doubt_since = CASE WHEN p_is_in_doubt THEN coalesce(in_doubt_since, now()) END,
        sweep_at = now() + coalesce(p_wait_ms, 0) * interval '1 millisecond' + interval '10 seconds', sweeps = 0,
        completed_at = CASE WHEN p_status IN ('succeeded', 'failed', 'unknown') THEN now() END
    WHERE id = p_action_id AND (attempts = p_attempts AND status IN ('running', 'unknown', p_status)
        OR p_status = 'succeeded' AND status <> 'succeeded');
    is_mine := FOUND;
    UPDATE lockstep.sync_log SET status = CASE WHEN is_mine THEN p_log_status ELSE 'superseded' END,
        completed_at = now(), api_calls = p_api_calls, bytes_read = p_bytes, throttled_ms = p_throttled_ms,
        error_code = p_code, error_message = p_message, error_detail = p_detail
    WHERE id = p_sync_id AND status = 'running';
    RETURN is_mine;
END
$$;

-- Ends the action of a job that no attempt will continue. One that may have taken effect is unknown.
CREATE FUNCTION lockstep.end_action_of_job(p_job_id text, p_code text, p_message text, p_detail text) RETURNS void
LANGUAGE sql AS $$
    UPDATE lockstep.actions SET
        status = CASE WHEN in_doubt_since IS NULL THEN 'failed' ELSE 'unknown' END, error_code = p_code,
        error_message = p_message, error_detail = p_detail, completed_at = now(), updated_at = now()
    WHERE status IN ('requested', 'running')
        AND (job_id = p_job_id OR id = substring(p_job_id FROM '^action:([0-9]{1,18})$')::bigint)
$$;

-- Takes up to `p_limit` unfinished actions whose time has come to be enqueued again, each one time in growing intervals: a job
-- that is there already makes the new one a duplicate, which does nothing. Actions that nobody began for a day fail: nobody
-- expects them any more. Reply: id and integration of those that have to be enqueued now.
CREATE FUNCTION lockstep.sweep_actions(p_limit integer) RETURNS TABLE (action_id bigint, target_id bigint)
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE lockstep.actions SET status = 'failed', error_code = 'expired',
        error_message = 'This could not be done within a day and was given up.',
        error_detail = 'no attempt was made within 24 hours, or none that got through', completed_at = now(),
        updated_at = now()
    WHERE id IN (
        SELECT id FROM lockstep.actions
        WHERE status = 'requested' AND in_doubt_since IS NULL AND sweep_at < now()
            AND created_at < now() - interval '24 hours' ORDER BY sweep_at LIMIT p_limit FOR UPDATE SKIP LOCKED);
    RETURN QUERY UPDATE lockstep.actions a SET sweeps = a.sweeps + 1,
        sweep_at = now() + least(interval '10 seconds' * 4 ^ least(a.sweeps + 1, 6), interval '1 hour')
    WHERE a.id IN (
        SELECT id FROM lockstep.actions WHERE status IN ('requested', 'running') AND sweep_at < now()
        ORDER BY sweep_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
    RETURNING a.id, a.integration_id;
END
$$;

-- The health of an integration is that of its syncs: a card that was declined says nothing about it.
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
           WHEN bool_and(status = 'down') FILTER (WHERE status IN ('healthy', 'degraded', 'down')) THEN 'down'
           WHEN bool_or(status IN ('degraded', 'down')) THEN 'degraded'
           ELSE 'healthy'
       END,
       max(last_success), max(last_failure),
       CASE WHEN sum(runs) = 0 THEN NULL ELSE sum(failures)::double precision / sum(runs) END,
       sum(runs)::bigint
FROM per_integration GROUP BY service;
