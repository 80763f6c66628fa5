-- SPDX-License-Identifier: Apache-2.0
-- The two transactions of a run that finds nothing new, each one statement that hardly has to be parsed: what the caller
-- computed around begin_run, and the limit on waits for locks, moved into the functions, which keep their plans.

DROP FUNCTION lockstep.begin_run(text, integer, text, text, bigint, bigint, text, text, text);
DROP FUNCTION lockstep.checkpoint(
    bigint, bigint, bigint, text[], text[], text[], bigint[], text[], bigint[], text[], bigint[], text[], bigint[], text[], boolean[], bigint[], text, text, text, text);

-- Opens a run. Raises the fence, closes the rows of runs whose worker died, inserts the row of this attempt.
-- `p_lock_limit` is how long it may wait for what another session has locked, for example '10000ms'.
-- Reply: one row per known stream state (empty partition), at least one row; `outcome` is 'opened', 'unknown', or
-- the integration's status when that is not active, and then nothing was changed. `members` is the configuration: members
-- apart by RS, name and value apart by US. `is_read`: an earlier run of this very job has read the stream whole, so that one
-- that goes on need not. The job is told from an earlier one of the same id by when it was enqueued.
CREATE FUNCTION lockstep.begin_run(
    p_job_id text, p_attempt integer, p_worker text, p_type text, p_enqueued_ms bigint,
    p_integration_id bigint, p_user_id text, p_service text, p_account text,
    p_lock_limit text
) RETURNS TABLE (
    outcome text, integration_id bigint, user_id text, service text, account text, members text,
    fence bigint, sync_id bigint, credential_kind text, credential_version bigint, ciphertext bytea,
    stream text, cursor text, cursor_order bigint, pending_cursor text, pending_order bigint, phase text,
    generation bigint, position_text text, page bigint, is_read boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    target lockstep.integrations;
    v_sync_id bigint;
    v_begun timestamptz;
BEGIN
    PERFORM set_config('lock_timeout', p_lock_limit, true);

    IF p_integration_id IS NOT NULL THEN
        UPDATE lockstep.integrations i SET fence = i.fence + 1
        WHERE i.id = p_integration_id AND i.status = 'active' RETURNING i.* INTO target;
    ELSE
        UPDATE lockstep.integrations i SET fence = i.fence + 1
        WHERE i.user_id = p_user_id AND i.service = p_service AND i.account = p_account
            AND i.status = 'active' RETURNING i.* INTO target;
    END IF;

    IF target.id IS NULL THEN
        RETURN QUERY
        SELECT coalesce(found.status, 'unknown'), found.id, found.user_id, found.service, found.account,
               NULL::text, found.fence, NULL::bigint, NULL::text, NULL::bigint, NULL::bytea,
               NULL::text, NULL::text, NULL::bigint, NULL::text, NULL::bigint, NULL::text,
               NULL::bigint, NULL::text, NULL::bigint, NULL::boolean
        FROM (SELECT 1) one LEFT JOIN lockstep.integrations found ON
            CASE WHEN p_integration_id IS NOT NULL THEN found.id = p_integration_id
            ELSE found.user_id = p_user_id AND found.service = p_service AND found.account = p_account END;
        RETURN;
    END IF;

    IF p_type = 'full' THEN
        SELECT min(l.started_at) INTO v_begun FROM lockstep.sync_log l
        WHERE l.job_id COLLATE "C" = p_job_id AND l.integration_id = target.id
            AND l.enqueued_at = to_timestamp(p_enqueued_ms / 1000.0);
    END IF;

    -- The same attempt may ask again when the answer to its first question was lost.
    DELETE FROM lockstep.sync_log l
    WHERE l.integration_id = target.id AND l.status = 'running' AND l.job_id = p_job_id
        AND l.attempt = p_attempt AND l.worker = p_worker AND l.checkpoints = 0;

    UPDATE lockstep.sync_log l
    SET status = 'superseded', completed_at = now(), error_code = 'superseded',
        error_message = 'This sync was interrupted and continues in a newer run.',
        error_detail = format('fence %s was replaced by %s', l.fence, target.fence)
    WHERE l.integration_id = target.id AND l.status = 'running';

    INSERT INTO lockstep.sync_log (job_id, attempt, integration_id, user_id, service, account, type, status,
        worker, fence, enqueued_at)
    VALUES (p_job_id, p_attempt, target.id, target.user_id, target.service, target.account, p_type, 'running',
        p_worker, target.fence, to_timestamp(p_enqueued_ms / 1000.0))
    RETURNING id INTO v_sync_id;

    RETURN QUERY
    SELECT 'opened', target.id, target.user_id, target.service, target.account,
           (SELECT string_agg(key || E'\x1f' || value, E'\x1e') FROM jsonb_each_text(target.config) WHERE value IS NOT NULL),
           target.fence, v_sync_id, c.kind, c.version, c.ciphertext,
           s.stream, s.cursor, s.cursor_order, s.pending_cursor, s.pending_order, s.phase, s.generation,
           s.position, s.page,
           -- Null where there was no such run.
           coalesce(p_type = 'full' AND s.phase = 'idle' AND s.last_full_at > v_begun, false)
    FROM (SELECT 1) one
    LEFT JOIN lockstep.credentials c ON c.integration_id = target.id
    LEFT JOIN lockstep.sync_state s ON s.integration_id = target.id AND s.partition = '';
END
$$;

-- Saves how far slices have been read and adds what they counted; with `p_status` it also ends the run. One call is
-- one transaction's last statement: checks the fence itself. Arrays have one element per slice; `p_counters` has ten
-- numbers per slice, in the order of the columns of sync_log_streams. `p_ended_by` is null while a slice goes on;
-- `p_full` says that the ended enumeration showed everything. `p_lock_limit` as in begin_run; null leaves what the transaction
-- has set.
CREATE FUNCTION lockstep.checkpoint(
    p_integration_id bigint, p_fence bigint, p_sync_id bigint,
    p_streams text[], p_partitions text[], p_cursors text[], p_cursor_orders bigint[],
    p_pending text[], p_pending_orders bigint[], p_phases text[], p_generations bigint[],
    p_positions text[], p_pages bigint[], p_ended_by text[], p_full boolean[], p_counters bigint[],
    p_status text, p_error_code text, p_error_message text, p_error_detail text,
    p_lock_limit text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    total bigint[] := array_fill(0::bigint, ARRAY[10]);
    c bigint[];
    before text;
BEGIN
    IF p_lock_limit IS NOT NULL THEN PERFORM set_config('lock_timeout', p_lock_limit, true); END IF;
    PERFORM lockstep.check_fence(p_integration_id, p_fence);

    FOR i IN 1 .. coalesce(cardinality(p_streams), 0) LOOP
        c := p_counters[(i - 1) * 10 + 1 : i * 10];
        FOR k IN 1 .. 10 LOOP total[k] := total[k] + c[k]; END LOOP;

        SELECT s.cursor INTO before FROM lockstep.sync_state s
        WHERE s.integration_id = p_integration_id AND s.stream = p_streams[i] AND s.partition = p_partitions[i];

        INSERT INTO lockstep.sync_state AS s (integration_id, stream, partition, cursor, cursor_order,
            pending_cursor, pending_order, phase, generation, generation_started_at, position, page,
            last_success_at, last_full_at)
        VALUES (p_integration_id, p_streams[i], p_partitions[i], p_cursors[i], p_cursor_orders[i],
            p_pending[i], p_pending_orders[i], p_phases[i], p_generations[i], now(), p_positions[i],
            p_pages[i], CASE WHEN p_ended_by[i] IS NOT NULL AND p_phases[i] = 'idle' THEN now() END,
            CASE WHEN p_ended_by[i] IS NOT NULL AND p_phases[i] = 'idle' AND p_full[i] THEN now() END)
        ON CONFLICT (integration_id, stream, partition) DO UPDATE SET
            cursor = excluded.cursor, cursor_order = excluded.cursor_order,
            pending_cursor = excluded.pending_cursor, pending_order = excluded.pending_order,
            phase = excluded.phase, generation = excluded.generation,
            generation_started_at = CASE WHEN s.generation = excluded.generation THEN s.generation_started_at
                                         ELSE now() END,
            position = excluded.position, page = excluded.page,
            last_success_at = coalesce(excluded.last_success_at, s.last_success_at),
            last_full_at = coalesce(excluded.last_full_at, s.last_full_at);

        INSERT INTO lockstep.sync_log_streams AS l (sync_id, stream, pages, api_calls, bytes_read, records_read,
            records_added, records_updated, records_deleted, records_unchanged, records_quarantined,
            throttled_ms, cursor_before, cursor_after, ended_by)
        VALUES (p_sync_id, p_streams[i], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10],
            before, p_cursors[i], p_ended_by[i])
        ON CONFLICT (sync_id, stream) DO UPDATE SET
            pages = l.pages + excluded.pages, api_calls = l.api_calls + excluded.api_calls,
            bytes_read = l.bytes_read + excluded.bytes_read,
            records_read = l.records_read + excluded.records_read,
            records_added = l.records_added + excluded.records_added,
            records_updated = l.records_updated + excluded.records_updated,
            records_deleted = l.records_deleted + excluded.records_deleted,
            records_unchanged = l.records_unchanged + excluded.records_unchanged,
            records_quarantined = l.records_quarantined + excluded.records_quarantined,
            throttled_ms = l.throttled_ms + excluded.throttled_ms,
            cursor_after = excluded.cursor_after, ended_by = excluded.ended_by;
    END LOOP;

    UPDATE lockstep.sync_log SET
        pages = pages + total[1], api_calls = api_calls + total[2], bytes_read = bytes_read + total[3],
        records_read = records_read + total[4], records_added = records_added + total[5],
        records_updated = records_updated + total[6], records_deleted = records_deleted + total[7],
        records_unchanged = records_unchanged + total[8],
        records_quarantined = records_quarantined + total[9], throttled_ms = throttled_ms + total[10],
        checkpoints = checkpoints + 1, status = coalesce(p_status, status),
        completed_at = CASE WHEN p_status IS NOT NULL THEN now() END,
        error_code = p_error_code, error_message = p_error_message, error_detail = p_error_detail
    WHERE id = p_sync_id AND status = 'running';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'run % has ended already', p_sync_id USING ERRCODE = 'LS001';
    END IF;
END
$$;
