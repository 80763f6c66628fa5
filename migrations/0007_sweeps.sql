-- SPDX-License-Identifier: Apache-2.0
-- The absence sweep of a full run: absent rows are marked in bounded batches, weighed, and published at once.
--
-- Absence is a deletion only after a complete enumeration of one generation, for rows that nothing touched since the
-- generation began. The caller proves the first by calling at all; the functions check the second.

CREATE TABLE lockstep.sweeps (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    integration_id  bigint NOT NULL REFERENCES lockstep.integrations ON DELETE CASCADE,
    stream          text COLLATE "C" NOT NULL,
    partition       text COLLATE "C" NOT NULL DEFAULT '',
    generation      bigint NOT NULL,
    sync_id         bigint NOT NULL,
    status          text NOT NULL DEFAULT 'marking'
                    CHECK (status IN ('marking', 'held', 'published', 'rejected', 'superseded')),
    live            bigint,
    absent          bigint,
    created_at      timestamptz NOT NULL DEFAULT now(),
    decided_at      timestamptz,
    UNIQUE (integration_id, stream, partition, generation)
);

CREATE TABLE lockstep.sweep_items (
    sweep_id     bigint NOT NULL REFERENCES lockstep.sweeps ON DELETE CASCADE,
    external_id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (sweep_id, external_id)
);

-- Opens the sweep of a generation, or finds the one that an interrupted run opened.
CREATE FUNCTION lockstep.open_sweep(
    p_integration_id bigint, p_fence bigint, p_stream text, p_partition text, p_generation bigint, p_sync_id bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
BEGIN
    PERFORM lockstep.check_fence(p_integration_id, p_fence);
    INSERT INTO lockstep.sweeps (integration_id, stream, partition, generation, sync_id)
    VALUES (p_integration_id, p_stream, p_partition, p_generation, p_sync_id)
    ON CONFLICT (integration_id, stream, partition, generation) DO UPDATE SET sync_id = excluded.sync_id
    RETURNING id INTO v_id;
    RETURN v_id;
END
$$;

-- Marks the absent rows among the next `p_limit` rows after `p_after`.
-- Reply: the last id looked at, null when the slice is done.
--
-- A nested loop would compare each row with each row seen; the planner cannot know how many those are.
CREATE FUNCTION lockstep.mark_absent(
    p_integration_id bigint, p_fence bigint, p_sweep_id bigint, p_after text, p_limit integer
) RETURNS text LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
    target lockstep.sweeps;
    started timestamptz;
    last_id text;
BEGIN
    PERFORM lockstep.check_fence(p_integration_id, p_fence);
    SELECT * INTO STRICT target FROM lockstep.sweeps WHERE id = p_sweep_id;
    SELECT generation_started_at INTO STRICT started FROM lockstep.sync_state
    WHERE integration_id = p_integration_id AND stream = target.stream AND partition = target.partition
        AND generation = target.generation;

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

    -- All ids of a partition begin with its name, so this range holds few rows of other partitions.
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
    ON CONFLICT DO NOTHING;
    RETURN last_id;
END
$$;

-- Deletes what a sweep marked, or of that only what the sweep `p_agreeing_with` marked too: all of it in the caller's
-- transaction, or nothing. Rows that were touched after the mark stay. Reply: the number of deletions.
CREATE FUNCTION lockstep.publish_sweep(p_sweep_id bigint, p_agreeing_with bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    target lockstep.sweeps;
    removed bigint;
BEGIN
    SELECT * INTO STRICT target FROM lockstep.sweeps WHERE id = p_sweep_id FOR UPDATE;

    WITH chosen AS (
        DELETE FROM lockstep.sweep_items i
        WHERE i.sweep_id = p_sweep_id AND (p_agreeing_with IS NULL OR EXISTS (
            SELECT 1 FROM lockstep.sweep_items e
            WHERE e.sweep_id = p_agreeing_with AND e.external_id = i.external_id))
        RETURNING i.external_id
    ), gone AS (
        UPDATE lockstep.records r
        SET deleted_at = now(), deleted_by = 'absence', synced_at = now(), sync_id = target.sync_id
        FROM chosen
        WHERE r.integration_id = target.integration_id AND r.stream = target.stream
            AND r.external_id = chosen.external_id
            AND r.deleted_at IS NULL AND r.synced_at < target.created_at
        RETURNING r.external_id
    ), logged AS (
        INSERT INTO lockstep.deletions (integration_id, stream, external_id, reason, sync_id)
        SELECT target.integration_id, target.stream, external_id, 'absence', target.sync_id FROM gone
        RETURNING 1
    )
    SELECT count(*) INTO removed FROM logged;
    RETURN removed;
END
$$;

-- Ends a full enumeration's sweep: publishes it, or holds it when it would delete too much. Over the guard (more than
-- `p_guard_rows` rows and more than `p_guard_share` of the live ones) it is held, with an alert, until an operator
-- decides or the next complete generation finds no other row absent than this one did.
-- With `p_two_runs` a row is deleted only when the complete generation before marked it too.
-- The slice is at rest afterwards. Reply: 'published' or 'held', and the number of deletions.
CREATE FUNCTION lockstep.settle_sweep(
    p_integration_id bigint, p_fence bigint, p_sweep_id bigint, p_guard_rows bigint,
    p_guard_share double precision, p_two_runs boolean
) RETURNS TABLE (outcome text, removed bigint) LANGUAGE plpgsql AS $$
DECLARE
    target lockstep.sweeps;
    earlier lockstep.sweeps;
    v_live bigint;
    v_absent bigint;
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
        ORDER BY s.generation DESC LIMIT 1;
        agrees := earlier.id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM lockstep.sweep_items i WHERE i.sweep_id = p_sweep_id AND NOT EXISTS (
                SELECT 1 FROM lockstep.sweep_items e
                WHERE e.sweep_id = earlier.id AND e.external_id = i.external_id));

        IF p_two_runs AND NOT agrees THEN
            outcome := 'held';
            IF earlier.id IS NOT NULL THEN removed := lockstep.publish_sweep(p_sweep_id, earlier.id); END IF;
        ELSIF NOT agrees AND v_absent > p_guard_rows AND v_absent > p_guard_share * v_live THEN
            outcome := 'held';
            INSERT INTO lockstep.alerts (kind, service, integration_id, title, detail)
            SELECT 'sweep_held', i.service, i.id, 'Deletions wait for a decision',
                   format('%s of %s records of stream %s are absent from a complete full sync (sweep %s). The '
                       'next full sync that agrees deletes them.',
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

-- Deletes up to `p_limit` live records of a child stream whose parent record is deleted, with the reason `gone`, and
-- forgets how far their slices were read. Reply: the number of deletions; the caller repeats until it is 0.
CREATE FUNCTION lockstep.delete_orphans(
    p_integration_id bigint, p_fence bigint, p_stream text, p_parent_stream text, p_sync_id bigint, p_limit integer
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    removed bigint;
BEGIN
    PERFORM lockstep.check_fence(p_integration_id, p_fence);
    DELETE FROM lockstep.sync_state s USING lockstep.records parent
    WHERE s.integration_id = p_integration_id AND s.stream = p_stream AND s.partition <> ''
        AND parent.integration_id = p_integration_id AND parent.stream = p_parent_stream
        AND parent.external_id = s.partition AND parent.deleted_at IS NOT NULL;

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
