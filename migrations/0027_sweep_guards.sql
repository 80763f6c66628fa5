-- SPDX-License-Identifier: Apache-2.0
-- What a sweep has to know before absence is a deletion: which records were shown and could not be stored, and what would go
-- together with what is absent.

-- Why a sweep is held: `many` (it is over the guard), `children` (what belongs to the absent records is), `unread` (a record was
-- shown whose id could not be read: it may be one of those that are absent), `second_run` (a second enumeration has to agree).
-- Null for one that was not held.
ALTER TABLE lockstep.sweeps ADD COLUMN reason text CHECK (reason IN ('many', 'children', 'unread', 'second_run'));
-- Live records of child streams that belong to the absent ones, when it was settled; null when nothing was absent.
ALTER TABLE lockstep.sweeps ADD COLUMN orphans bigint;

-- Notes what an enumeration showed and that was not stored: the rows of `p_ids` are seen. With `p_unread` there was a record
-- whose id could not be read, and with it nobody knows what is absent: the page -1, without rows, says so of the generation.
-- Called in the transaction of the checkpoint, after diff_batch, which begins the array of the page.
CREATE FUNCTION lockstep.note_rejected(
    p_integration_id bigint, p_stream text, p_generation bigint, p_partition text, p_page bigint, p_unread boolean,
    p_ids text[]
) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO lockstep.sync_seen AS s (integration_id, stream, generation, partition, page, seqs)
    SELECT p_integration_id, p_stream, p_generation, p_partition, p_page, array_agg(stored.seq)
    FROM unnest(p_ids) AS shown (id)
    CROSS JOIN LATERAL (
        SELECT r.seq FROM lockstep.records r
        WHERE r.integration_id = p_integration_id AND r.stream = p_stream
            AND r.external_id = shown.id COLLATE "C"
        LIMIT 1
    ) stored
    HAVING count(*) > 0
    ON CONFLICT (integration_id, stream, generation, partition, page)
        DO UPDATE SET seqs = s.seqs || excluded.seqs;

    IF p_unread THEN
        INSERT INTO lockstep.sync_seen (integration_id, stream, generation, partition, page, seqs)
        VALUES (p_integration_id, p_stream, p_generation, p_partition, -1, '{}')
        ON CONFLICT DO NOTHING;
    END IF;
END
$$;

-- Whether an enumeration showed a record whose id could not be read.
CREATE FUNCTION lockstep.has_unread(
    p_integration_id bigint, p_stream text, p_generation bigint, p_partition text
) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT 1 FROM lockstep.sync_seen
        WHERE integration_id = p_integration_id AND stream = p_stream AND generation = p_generation
            AND partition = p_partition AND page = -1)
$$;

DROP FUNCTION lockstep.settle_sweep(bigint, bigint, bigint, bigint, double precision, boolean);
DROP FUNCTION lockstep.settle_window_sweep(bigint, bigint, bigint, text[], text, bigint, double precision);

-- Weighs what would be deleted together with the rows that a sweep marked: the live records of child streams that belong to
-- them, and what belongs to those. `p_children` and `p_parents` name child streams and the stream of each, a parent before its
-- children. `p_path` and `p_format` say where a record of the swept stream has its time, for the sweep of a stretch.
-- Reply: how many there are; and if those of a stream are more than `p_guard_rows` and more than `p_guard_share` of the live
-- ones of what was swept, that stream, how many of it would go, and how many are live.
--
-- The planner cannot know how few the marked rows are: each of them is a look-up by its partition.
CREATE FUNCTION lockstep.weigh_orphans(
    p_sweep_id bigint, p_children text[], p_parents text[], p_path text[], p_format text, p_guard_rows bigint,
    p_guard_share double precision
) RETURNS TABLE (orphans bigint, stream text, gone bigint, live bigint) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    target lockstep.sweeps;
    counted record;
    v_live bigint;
BEGIN
    SELECT * INTO STRICT target FROM lockstep.sweeps WHERE id = p_sweep_id;
    orphans := 0;
    FOR counted IN
        WITH RECURSIVE kin AS (
            SELECT target.stream COLLATE "C" AS name, i.external_id FROM lockstep.sweep_items i
            WHERE i.sweep_id = p_sweep_id
            UNION ALL
            SELECT r.stream, r.external_id
            FROM kin
            JOIN unnest(p_children, p_parents) AS c (child, parent) ON c.parent = kin.name
            JOIN lockstep.records r ON r.integration_id = target.integration_id AND r.stream = c.child
                AND r.partition = kin.external_id AND r.partition <> '' AND r.deleted_at IS NULL
        )
        SELECT c.child, c.parent, count(*) AS gone FROM kin
        JOIN unnest(p_children, p_parents) AS c (child, parent) ON c.child = kin.name
        GROUP BY c.child, c.parent ORDER BY c.child
    LOOP
        orphans := orphans + counted.gone;
        CONTINUE WHEN stream IS NOT NULL OR counted.gone <= p_guard_rows;
        IF counted.parent = target.stream AND (target.partition <> '' OR target.period IS NOT NULL) THEN
            SELECT count(*) INTO v_live
            FROM lockstep.records p
            JOIN lockstep.records r ON r.integration_id = target.integration_id AND r.stream = counted.child
                AND r.partition = p.external_id AND r.partition <> '' AND r.deleted_at IS NULL
            WHERE p.integration_id = target.integration_id AND p.stream = target.stream
                AND p.partition = target.partition AND p.deleted_at IS NULL
                AND (target.period IS NULL OR target.period @> lockstep.field_microseconds(p.data #> p_path, p_format));
        ELSE
            SELECT count(*) INTO v_live FROM lockstep.records r
            WHERE r.integration_id = target.integration_id AND r.stream = counted.child AND r.deleted_at IS NULL;
        END IF;
        IF counted.gone > p_guard_share * v_live THEN
            stream := counted.child;
            gone := counted.gone;
            live := v_live;
        END IF;
    END LOOP;
    RETURN NEXT;
END
$$;

-- Opens the alert that deletions wait for a decision; nothing without a text, or while one is open.
CREATE FUNCTION lockstep.tell_held(p_integration_id bigint, p_detail text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO lockstep.alerts (kind, service, integration_id, title, detail)
    SELECT 'sweep_held', i.service, i.id, 'Deletions wait for a decision', p_detail
    FROM lockstep.integrations i WHERE i.id = p_integration_id AND p_detail IS NOT NULL
    ON CONFLICT DO NOTHING
$$;

-- Ends a full enumeration's sweep: publishes it, or holds it when it would delete too much. Over the guard (more than
-- `p_guard_rows` rows and more than `p_guard_share` of the live ones) it is held, with an alert, until an operator
-- decides or the next complete generation finds no other row absent than this one did. What belongs to the absent rows would go
-- with them: when that is over the guard the sweep is held as well. See weigh_orphans for `p_children` and `p_parents`.
-- With `p_two_runs` a row is deleted only when the complete generation before marked it too. A generation that showed a record
-- whose id could not be read is held in any case, until an operator decides: it proves nothing, nor does it agree with another one.
-- The slice is at rest afterwards. Reply: 'published' or 'held', and the number of deletions.
CREATE FUNCTION lockstep.settle_sweep(
    p_integration_id bigint, p_fence bigint, p_sweep_id bigint, p_guard_rows bigint,
    p_guard_share double precision, p_two_runs boolean, p_children text[], p_parents text[]
) RETURNS TABLE (outcome text, removed bigint) LANGUAGE plpgsql AS $$
DECLARE
    target lockstep.sweeps;
    earlier lockstep.sweeps;
    v_live bigint;
    v_absent bigint;
    v_reason text;
    v_detail text;
    kin record;
    v_orphans bigint;
    agrees boolean := false;
BEGIN
    PERFORM lockstep.check_fence(p_integration_id, p_fence);
    SELECT * INTO STRICT target FROM lockstep.sweeps WHERE id = p_sweep_id FOR UPDATE;
    SELECT count(*) INTO v_absent FROM lockstep.sweep_items WHERE sweep_id = p_sweep_id;
    outcome := 'published';
    removed := 0;

    IF v_absent > 0 THEN
        SELECT count(*) INTO v_live FROM lockstep.records
        WHERE integration_id = target.integration_id AND stream = target.stream
            AND (target.partition = '' OR partition = target.partition) AND deleted_at IS NULL;
        SELECT * INTO earlier FROM lockstep.sweeps s
        WHERE s.integration_id = target.integration_id AND s.stream = target.stream
            AND s.partition = target.partition AND s.generation < target.generation AND s.status = 'held'
            AND s.reason IS DISTINCT FROM 'unread'
        ORDER BY s.generation DESC LIMIT 1;
        agrees := earlier.id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM lockstep.sweep_items i WHERE i.sweep_id = p_sweep_id AND NOT EXISTS (
                SELECT 1 FROM lockstep.sweep_items e
                WHERE e.sweep_id = earlier.id AND e.external_id = i.external_id));

        SELECT * INTO kin FROM lockstep.weigh_orphans(
            p_sweep_id, p_children, p_parents, NULL, NULL, p_guard_rows, p_guard_share);
        IF lockstep.has_unread(target.integration_id, target.stream, target.generation, target.partition) THEN
            v_reason := 'unread';
            v_detail := format('%s of %s records of stream %s are absent from a full sync, but it also showed records that have no '
                'id that can be read, and may be these (sweep %s, and quarantine). The next full sync without such '
                'records decides.',
                v_absent, v_live, target.stream, p_sweep_id);
        ELSIF p_two_runs AND NOT agrees THEN
            v_reason := 'second_run';
            IF earlier.id IS NOT NULL THEN removed := lockstep.publish_sweep(p_sweep_id, earlier.id); END IF;
        ELSIF NOT agrees AND v_absent > p_guard_rows AND v_absent > p_guard_share * v_live THEN
            v_reason := 'many';
            v_detail := format('%s of %s records of stream %s are absent from a complete full sync (sweep %s). The '
                'next full sync that agrees deletes them.',
                v_absent, v_live, target.stream, p_sweep_id);
        ELSIF NOT agrees AND kin.stream IS NOT NULL THEN
            v_reason := 'children';
            v_detail := format('%s of %s records of stream %s are absent from a complete full sync, and %s of %s '
                'records of stream %s belong to them (sweep %s). The next full sync that agrees deletes them all.',
                v_absent, v_live, target.stream, kin.gone, kin.live, kin.stream, p_sweep_id);
        ELSE
            removed := lockstep.publish_sweep(p_sweep_id, NULL);
        END IF;
        IF v_reason IS NOT NULL THEN outcome := 'held'; END IF;
        PERFORM lockstep.tell_held(target.integration_id, v_detail);
        v_orphans := kin.orphans;
    END IF;

    UPDATE lockstep.sweeps SET status = outcome, reason = v_reason, live = v_live, absent = v_absent,
        orphans = v_orphans,
        decided_at = CASE WHEN outcome = 'published' THEN now() END
    WHERE id = p_sweep_id;
    IF outcome = 'published' THEN
        UPDATE lockstep.alerts SET resolved_at = now()
        WHERE kind = 'sweep_held' AND integration_id = target.integration_id AND resolved_at IS NULL
            AND NOT EXISTS (
                SELECT 1 FROM lockstep.sweeps s WHERE s.integration_id = target.integration_id
                    AND s.status = 'held' AND (s.stream, s.partition) <> (target.stream, target.partition));
    END IF;
    DELETE FROM lockstep.sweep_items WHERE sweep_id IN (
        SELECT s.id FROM lockstep.sweeps s
        WHERE s.integration_id = target.integration_id AND s.stream = target.stream
            AND s.partition = target.partition AND s.generation < target.generation
            AND s.status IN ('held', 'marking'));
    UPDATE lockstep.sweeps s SET status = 'superseded', decided_at = now()
    WHERE s.integration_id = target.integration_id AND s.stream = target.stream
        AND s.partition = target.partition AND s.generation < target.generation
        AND s.status IN ('held', 'marking');
    -- Older sweeps that are decided tell nothing that the deletions do not.
    DELETE FROM lockstep.sweeps s
    WHERE s.integration_id = target.integration_id AND s.stream = target.stream
        AND s.partition = target.partition AND s.generation < target.generation - 1;
    DELETE FROM lockstep.sync_seen
    WHERE integration_id = target.integration_id AND stream = target.stream
        AND partition = target.partition AND generation <= target.generation;
    UPDATE lockstep.sync_state SET phase = 'idle', last_success_at = now(), last_full_at = now()
    WHERE integration_id = target.integration_id AND stream = target.stream
        AND partition = target.partition AND phase = 'sweep';
    UPDATE lockstep.sync_log SET records_deleted = records_deleted + settle_sweep.removed
    WHERE id = target.sync_id;
    UPDATE lockstep.sync_log_streams SET records_deleted = records_deleted + settle_sweep.removed
    WHERE sync_id = target.sync_id AND stream = target.stream;
    RETURN NEXT;
END
$$;

-- Ends the sweep of a stretch: publishes it, or holds it when it would delete too much of what is live in the stretch, until
-- an operator decides or a later sweep finds no other row absent than this one did. What the list has shown is taken out of
-- sweeps that wait. A list that showed a record whose id could not be read is held in any case, and so is
-- one that would take too much with it, as in settle_sweep. Reply: 'published' or 'held', and the number of deletions.
CREATE FUNCTION lockstep.settle_window_sweep(
    p_integration_id bigint, p_fence bigint, p_sweep_id bigint, p_path text[], p_format text, p_guard_rows bigint,
    p_guard_share double precision, p_children text[], p_parents text[]
) RETURNS TABLE (outcome text, removed bigint) LANGUAGE plpgsql AS $$
DECLARE
    target lockstep.sweeps;
    v_live bigint;
    v_absent bigint;
    v_reason text;
    v_detail text;
    kin record;
    v_orphans bigint;
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
                AND s.reason IS DISTINCT FROM 'unread'
                AND NOT EXISTS (
                    SELECT 1 FROM lockstep.sweep_items i WHERE i.sweep_id = p_sweep_id AND NOT EXISTS (
                        SELECT 1 FROM lockstep.sweep_items e
                        WHERE e.sweep_id = s.id AND e.external_id = i.external_id)));
        SELECT * INTO kin FROM lockstep.weigh_orphans(
            p_sweep_id, p_children, p_parents, p_path, p_format, p_guard_rows, p_guard_share);
        IF lockstep.has_unread(target.integration_id, target.stream, target.generation, target.partition) THEN
            v_reason := 'unread';
            v_detail := format('%s of %s records of a stretch of time of stream %s are absent from a list of it, but it also showed '
                'records that have no id that can be read, and may be these (sweep %s, and quarantine). The next '
                'such list without such records decides.',
                v_absent, v_live, target.stream, p_sweep_id);
        ELSIF NOT agrees AND v_absent > p_guard_rows AND v_absent > p_guard_share * v_live THEN
            v_reason := 'many';
            v_detail := format('%s of %s records of a stretch of time of stream %s are absent from a complete list of it '
                '(sweep %s). The next such list that agrees deletes them.',
                v_absent, v_live, target.stream, p_sweep_id);
        ELSIF NOT agrees AND kin.stream IS NOT NULL THEN
            v_reason := 'children';
            v_detail := format('%s of %s records of a stretch of time of stream %s are absent from a complete list of it, and %s of %s '
                'records of stream %s belong to them (sweep %s). The next such list that agrees deletes them all.',
                v_absent, v_live, target.stream, kin.gone, kin.live, kin.stream, p_sweep_id);
        ELSE
            removed := lockstep.publish_sweep(p_sweep_id, NULL);
        END IF;
        IF v_reason IS NOT NULL THEN outcome := 'held'; END IF;
        PERFORM lockstep.tell_held(target.integration_id, v_detail);
        v_orphans := kin.orphans;
    END IF;

    UPDATE lockstep.sweeps SET status = outcome, reason = v_reason, live = v_live, absent = v_absent,
        orphans = v_orphans,
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

-- Deletes up to `p_limit` live records of a child stream whose parent record is deleted, with the reason `gone`, and
-- forgets how far their slices were read, with what sweeps of these slices know. Whether so many may go was decided where the
-- parent was deleted: a deletion that the provider stated takes its children at once, an absence was weighed with them. Reply: the number of deletions; the caller repeats until it is 0.
CREATE OR REPLACE FUNCTION lockstep.delete_orphans(
    p_integration_id bigint, p_fence bigint, p_stream text, p_parent_stream text, p_sync_id bigint, p_limit integer
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    removed bigint;
    slices text[];
BEGIN
    PERFORM lockstep.check_fence(p_integration_id, p_fence);
    WITH forgotten AS (
        DELETE FROM lockstep.sync_state s USING lockstep.records parent
        WHERE s.integration_id = p_integration_id AND s.stream = p_stream AND s.partition <> ''
            AND parent.integration_id = p_integration_id AND parent.stream = p_parent_stream
            AND parent.external_id = s.partition AND parent.deleted_at IS NOT NULL
        RETURNING s.partition
    )
    SELECT array_agg(partition) INTO slices FROM forgotten;
    -- A parent that comes back begins with the first generation again, which is not that of these.
    IF slices IS NOT NULL THEN
        DELETE FROM lockstep.sweeps
        WHERE integration_id = p_integration_id AND stream = p_stream AND partition = ANY (slices);
        DELETE FROM lockstep.sync_seen
        WHERE integration_id = p_integration_id AND stream = p_stream AND partition = ANY (slices);
    END IF;

    WITH orphans AS (
        SELECT r.external_id
        FROM lockstep.records parent
        JOIN lockstep.records r ON r.integration_id = p_integration_id AND r.stream = p_stream
            AND r.partition = parent.external_id AND r.partition <> '' AND r.deleted_at IS NULL
        WHERE parent.integration_id = p_integration_id AND parent.stream = p_parent_stream
            AND parent.deleted_at IS NOT NULL
        LIMIT p_limit
    ), gone AS (
        UPDATE lockstep.records r
        SET deleted_at = now(), deleted_by = 'gone', synced_at = now(), sync_id = p_sync_id
        FROM orphans
        WHERE r.integration_id = p_integration_id AND r.stream = p_stream AND r.external_id = orphans.external_id
        RETURNING r.external_id
    ), logged AS (
        INSERT INTO lockstep.deletions (integration_id, stream, external_id, reason, sync_id)
        SELECT p_integration_id, p_stream, external_id, 'gone', p_sync_id FROM gone
        RETURNING 1
    )
    SELECT count(*) INTO removed FROM logged;
    UPDATE lockstep.sync_log SET records_deleted = records_deleted + removed WHERE id = p_sync_id;
    RETURN removed;
END
$$;
