-- SPDX-License-Identifier: Apache-2.0
-- Writing a checkpoint: the changed records, then the state and the counters, in the caller's transaction, which has
-- called diff_batch or check_fence before.

-- Writes the records that diff_batch named, with its verdicts (0 add, 1 update, 2 delete, 3 keep a tombstone). Ids are
-- distinct. A tombstone keeps the last data, marks the row and adds one row to `deletions`; one of an unknown
-- id is kept as a deleted row, so that an older version that comes later stays out.
CREATE FUNCTION lockstep.write_records(
    p_integration_id bigint, p_stream text, p_partition text, p_sync_id bigint,
    p_ids text[], p_data text[], p_versions bigint[], p_hashes bytea[], p_verdicts bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lockstep.records AS r (integration_id, stream, external_id, partition, data, version,
        content_hash, deleted_at, deleted_by, sync_id)
    SELECT p_integration_id, p_stream, i.id, p_partition, i.data::jsonb, i.version, i.hash,
           CASE WHEN i.verdict >= 2 THEN now() END, CASE WHEN i.verdict >= 2 THEN 'tombstone' END, p_sync_id
    FROM unnest(p_ids, p_data, p_versions, p_hashes, p_verdicts) AS i (id, data, version, hash, verdict)
    ON CONFLICT (integration_id, stream, external_id) DO UPDATE SET
        partition = excluded.partition,
        data = CASE WHEN excluded.deleted_at IS NULL THEN excluded.data ELSE r.data END,
        version = coalesce(excluded.version, r.version),
        content_hash = CASE WHEN excluded.deleted_at IS NULL THEN excluded.content_hash
                            ELSE r.content_hash END,
        synced_at = now(), deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by,
        sync_id = excluded.sync_id;

    IF 2 = ANY (p_verdicts) THEN
        INSERT INTO lockstep.deletions (integration_id, stream, external_id, reason, sync_id)
        SELECT p_integration_id, p_stream, i.id, 'tombstone', p_sync_id
        FROM unnest(p_ids, p_verdicts) AS i (id, verdict) WHERE i.verdict = 2;
    END IF;
END
$$;

-- Saves how far slices have been read and adds what they counted; with `p_status` it also ends the run. One call is
-- one transaction's last statement: checks the fence itself. Arrays have one element per slice; `p_counters` has ten
-- numbers per slice, in the order of the columns of sync_log_streams. `p_ended_by` is null while a slice goes on;
-- `p_full` says that the ended enumeration showed everything.
CREATE FUNCTION lockstep.checkpoint(
    p_integration_id bigint, p_fence bigint, p_sync_id bigint,
    p_streams text[], p_partitions text[], p_cursors text[], p_cursor_orders bigint[],
    p_pending text[], p_pending_orders bigint[], p_phases text[], p_generations bigint[],
    p_positions text[], p_pages bigint[], p_ended_by text[], p_full boolean[], p_counters bigint[],
    p_status text, p_error_code text, p_error_message text, p_error_detail text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    total bigint[] := array_fill(0::bigint, ARRAY[10]);
    c bigint[];
    before text;
BEGIN
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

-- Tells whether a checkpoint whose commit is in doubt took effect. Waits for a transaction of the lost connection that is
-- still under way: it holds the integration's row. Reply: the number of checkpoints of the run.
CREATE FUNCTION lockstep.count_checkpoints(p_integration_id bigint, p_sync_id bigint) RETURNS integer
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM lockstep.integrations WHERE id = p_integration_id FOR NO KEY UPDATE;
    RETURN (SELECT checkpoints FROM lockstep.sync_log WHERE id = p_sync_id);
END
$$;
