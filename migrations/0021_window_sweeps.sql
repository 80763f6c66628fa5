-- SPDX-License-Identifier: Apache-2.0
-- Absence by window: a stretch of time of a stream that was listed completely tells what of it is gone.
--
-- Such a sweep has a generation of its own, the negative number of its run: it is older than every full run's, which
-- therefore settles it.

-- The stretch in microseconds since 1970, with its bounds; null for the sweep of a full run.
ALTER TABLE lockstep.sweeps ADD COLUMN period numrange;

-- The time of a record in microseconds since 1970, exactly. Null for a value of another form, and for one that is finer than
-- a timestamp: nobody could say on which side of a bound it is.
CREATE FUNCTION lockstep.field_microseconds(p_value jsonb, p_format text) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE p_format
        WHEN 'epoch_seconds' THEN lockstep.field_number(p_value) * 1000000
        WHEN 'epoch_milliseconds' THEN lockstep.field_number(p_value) * 1000
        WHEN 'rfc3339' THEN CASE WHEN p_value #>> '{}' !~ '[.][0-9]{6}0*[1-9]'
            THEN extract(epoch FROM lockstep.field_time(p_value)) * 1000000 END
    END
$$;

-- Opens the sweep of the stretch that a run has listed, or finds it.
CREATE FUNCTION lockstep.open_window_sweep(
    p_integration_id bigint, p_fence bigint, p_stream text, p_partition text, p_sync_id bigint,
    p_since bigint, p_until bigint, p_bounds text
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
BEGIN
    PERFORM lockstep.check_fence(p_integration_id, p_fence);
    INSERT INTO lockstep.sweeps (integration_id, stream, partition, generation, sync_id, period)
    VALUES (p_integration_id, p_stream, p_partition, -p_sync_id, p_sync_id, numrange(p_since, p_until, p_bounds))
    ON CONFLICT (integration_id, stream, partition, generation) DO UPDATE SET period = excluded.period
    RETURNING id INTO v_id;
    RETURN v_id;
END
$$;

-- Marks the absent rows among the next `p_limit` rows after `p_after`: live ones whose time lies in the stretch, that the run has
-- neither shown nor written. A row that was written since the run began, or so shortly before it that the list may not show it
-- yet, is newer than the list.
-- Reply: the last id looked at, null when the slice is done. See mark_absent.
CREATE FUNCTION lockstep.mark_absent_in_window(
    p_integration_id bigint, p_fence bigint, p_sweep_id bigint, p_path text[], p_format text, p_lag_ms bigint,
    p_after text, p_limit integer
) RETURNS text LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
    target lockstep.sweeps;
    started timestamptz;
    last_id text;
BEGIN
    PERFORM lockstep.check_fence(p_integration_id, p_fence);
    SELECT * INTO STRICT target FROM lockstep.sweeps WHERE id = p_sweep_id;
    SELECT started_at - p_lag_ms * interval '1 millisecond' INTO STRICT started FROM lockstep.sync_log WHERE id = target.sync_id;

    IF target.partition = '' THEN
        SELECT max(external_id) INTO last_id FROM (
            SELECT external_id FROM lockstep.records
            WHERE integration_id = p_integration_id AND stream = target.stream
                AND external_id > p_after COLLATE "C"
            ORDER BY external_id LIMIT p_limit) batch;
    ELSE
        SELECT max(external_id) INTO last_id FROM (
            SELECT external_id FROM lockstep.records
            WHERE integration_id = p_integration_id AND stream = target.stream
                AND partition = target.partition AND partition <> ''
                AND external_id > p_after COLLATE "C"
            ORDER BY external_id LIMIT p_limit) batch;
    END IF;

    INSERT INTO lockstep.sweep_items (sweep_id, external_id)
    SELECT p_sweep_id, r.external_id
    FROM lockstep.records r
    LEFT JOIN (
        SELECT unnest(seqs) AS seq FROM lockstep.sync_seen
        WHERE integration_id = p_integration_id AND stream = target.stream
            AND generation = target.generation AND partition = target.partition
    ) seen ON seen.seq = r.seq
    WHERE r.integration_id = p_integration_id AND r.stream = target.stream
        AND r.external_id > p_after COLLATE "C" AND r.external_id <= last_id COLLATE "C"
        AND r.partition = target.partition
        AND r.deleted_at IS NULL AND r.synced_at < started AND seen.seq IS NULL
        AND target.period @> lockstep.field_microseconds(r.data #> p_path, p_format)
    ON CONFLICT DO NOTHING;
    RETURN last_id;
END
$$;

-- Ends the sweep of a stretch: publishes it, or holds it when it would delete too much of what is live in the stretch, until
-- an operator decides or a later sweep finds no other row absent than this one did. What the list has shown is taken out of
-- sweeps that wait. Reply: 'published' or 'held', and the number of deletions.
CREATE FUNCTION lockstep.settle_window_sweep(
    p_integration_id bigint, p_fence bigint, p_sweep_id bigint, p_path text[], p_format text, p_guard_rows bigint,
    p_guard_share double precision
) RETURNS TABLE (outcome text, removed bigint) LANGUAGE plpgsql AS $$
DECLARE
    target lockstep.sweeps;
    v_live bigint;
    v_absent bigint;
    agrees boolean := false;
BEGIN
    PERFORM lockstep.check_fence(p_integration_id, p_fence);
    SELECT * INTO STRICT target FROM lockstep.sweeps WHERE id = p_sweep_id FOR UPDATE;
    SELECT count(*) INTO v_absent FROM lockstep.sweep_items WHERE sweep_id = p_sweep_id;
    outcome := 'published';
    removed := 0;

    DELETE FROM lockstep.sweep_items i USING lockstep.sweeps s, lockstep.records r
    WHERE s.integration_id = target.integration_id AND s.stream = target.stream
        AND s.partition = target.partition AND s.status = 'held' AND i.sweep_id = s.id
        AND r.integration_id = target.integration_id AND r.stream = target.stream AND r.external_id = i.external_id
        AND r.seq IN (
            SELECT unnest(seqs) FROM lockstep.sync_seen
            WHERE integration_id = target.integration_id AND stream = target.stream
                AND generation = target.generation AND partition = target.partition);

    IF v_absent > 0 THEN
        SELECT count(*) INTO v_live FROM lockstep.records
        WHERE integration_id = target.integration_id AND stream = target.stream AND partition = target.partition
            AND deleted_at IS NULL
            AND target.period @> lockstep.field_microseconds(data #> p_path, p_format);
        agrees := EXISTS (
            SELECT 1 FROM lockstep.sweeps s
            WHERE s.integration_id = target.integration_id AND s.stream = target.stream
                AND s.partition = target.partition AND s.status = 'held' AND s.period IS NOT NULL
                AND NOT EXISTS (
                    SELECT 1 FROM lockstep.sweep_items i WHERE i.sweep_id = p_sweep_id AND NOT EXISTS (
                        SELECT 1 FROM lockstep.sweep_items e
                        WHERE e.sweep_id = s.id AND e.external_id = i.external_id)));
        IF NOT agrees AND v_absent > p_guard_rows AND v_absent > p_guard_share * v_live THEN
            outcome := 'held';
            INSERT INTO lockstep.alerts (kind, service, integration_id, title, detail)
            SELECT 'sweep_held', i.service, i.id, 'Deletions wait for a decision',
                   format('%s of %s records of a stretch of time of stream %s are absent from a complete list of it '
                       '(sweep %s). The next such list that agrees deletes them.',
                       v_absent, v_live, target.stream, p_sweep_id)
            FROM lockstep.integrations i WHERE i.id = target.integration_id
            ON CONFLICT DO NOTHING;
        ELSE
            removed := lockstep.publish_sweep(p_sweep_id, NULL);
        END IF;
    END IF;

    UPDATE lockstep.sweeps SET status = outcome, live = v_live, absent = v_absent,
        decided_at = CASE WHEN outcome = 'published' THEN now() END
    WHERE id = p_sweep_id;
    -- This list says all that an earlier one of the same stretch, or of a part of it, said.
    DELETE FROM lockstep.sweeps s
    WHERE s.integration_id = target.integration_id AND s.stream = target.stream
        AND s.partition = target.partition AND s.id < target.id AND s.period IS NOT NULL
        AND (s.period <@ target.period OR s.status NOT IN ('held', 'marking'));
    DELETE FROM lockstep.sync_seen
    WHERE integration_id = target.integration_id AND stream = target.stream
        AND partition = target.partition AND generation < 0;
    UPDATE lockstep.alerts SET resolved_at = now()
    WHERE kind = 'sweep_held' AND integration_id = target.integration_id AND resolved_at IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM lockstep.sweeps s
            WHERE s.integration_id = target.integration_id AND s.status = 'held');
    UPDATE lockstep.sync_log SET records_deleted = records_deleted + settle_window_sweep.removed
    WHERE id = target.sync_id;
    UPDATE lockstep.sync_log_streams SET records_deleted = records_deleted + settle_window_sweep.removed
    WHERE sync_id = target.sync_id AND stream = target.stream;
    RETURN NEXT;
END
$$;
