-- SPDX-License-Identifier: Apache-2.0
-- The run of a job as functions: begin, checkpoint, sweep, finish. Functions keep their plans for a whole connection,
-- which prepared statements cannot do behind pgbouncer in transaction mode, and each step is one round trip.
--
-- SQLSTATE LS001 (stale_worker): the caller's fence is not the integration's fence any more; nothing was changed.

-- Opens a run. Raises the fence, closes the rows of runs whose worker died, inserts the row of this attempt.
-- Reply: one row per known stream state (empty partition), at least one row; `outcome` is 'opened', 'unknown', or
-- the integration's status when that is not active, and then nothing was changed.
CREATE FUNCTION lockstep.begin_run(
    p_job_id text, p_attempt integer, p_worker text, p_type text, p_enqueued_ms bigint,
    p_integration_id bigint, p_user_id text, p_service text, p_account text
) RETURNS TABLE (
    outcome text, integration_id bigint, user_id text, service text, account text, config jsonb,
    fence bigint, sync_id bigint, credential_kind text, credential_version bigint, ciphertext bytea,
    stream text, cursor text, cursor_order bigint, pending_cursor text, pending_order bigint, phase text,
    generation bigint, position_text text, page bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    target lockstep.integrations;
    v_sync_id bigint;
BEGIN
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
               found.config, found.fence, NULL::bigint, NULL::text, NULL::bigint, NULL::bytea,
               NULL::text, NULL::text, NULL::bigint, NULL::text, NULL::bigint, NULL::text,
               NULL::bigint, NULL::text, NULL::bigint
        FROM (SELECT 1) one LEFT JOIN lockstep.integrations found ON
            CASE WHEN p_integration_id IS NOT NULL THEN found.id = p_integration_id
            ELSE found.user_id = p_user_id AND found.service = p_service AND found.account = p_account END;
        RETURN;
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
    SELECT 'opened', target.id, target.user_id, target.service, target.account, target.config,
           target.fence, v_sync_id, c.kind, c.version, c.ciphertext,
           s.stream, s.cursor, s.cursor_order, s.pending_cursor, s.pending_order, s.phase, s.generation,
           s.position, s.page
    FROM (SELECT 1) one
    LEFT JOIN lockstep.credentials c ON c.integration_id = target.id
    LEFT JOIN lockstep.sync_state s ON s.integration_id = target.id AND s.partition = '';
END
$$;

-- Holds the integration for this transaction, if the caller is still its newest run.
CREATE FUNCTION lockstep.check_fence(p_integration_id bigint, p_fence bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM lockstep.integrations WHERE id = p_integration_id AND fence = p_fence
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a newer run holds the fence of this integration' USING ERRCODE = 'LS001';
    END IF;
END
$$;

-- Compares a batch with the stored rows by id, version and hash, and remembers the unchanged ones as seen when
-- `p_generation` is not null. Checks the fence first. Ids are distinct within a batch.
-- Reply: for each record that has to be written its 0-based position times 4, plus 0 to add it, 1 to update it,
-- 2 to delete it, 3 to keep a tombstone of an unknown id.
--
-- The planner does not know how long the arrays are, and of a table that just grew not how large it is. Left alone, it
-- reads the whole stream for a page of it: the LIMIT makes each record a look-up by the primary key, whatever it thinks.
CREATE FUNCTION lockstep.diff_batch(
    p_integration_id bigint, p_fence bigint, p_stream text, p_generation bigint, p_partition text,
    p_page bigint, p_ids text[], p_hashes bytea[], p_versions bigint[], p_tombstones boolean[]
) RETURNS integer[] LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    changed integer[];
    seen bigint[];
BEGIN
    PERFORM lockstep.check_fence(p_integration_id, p_fence);

    SELECT array_agg(position * 4 + CASE WHEN NOT tombstone THEN CASE WHEN live THEN 1 ELSE 0 END
                                         WHEN live THEN 2 ELSE 3 END) FILTER (WHERE write),
           array_agg(seq) FILTER (WHERE NOT write AND seq IS NOT NULL)
    INTO changed, seen
    FROM (
        SELECT incoming.position::integer - 1 AS position, stored.seq, incoming.tombstone,
               stored.seq IS NOT NULL AND stored.deleted_at IS NULL AS live,
               CASE
                   WHEN stored.seq IS NULL THEN NOT incoming.tombstone OR incoming.version IS NOT NULL
                   WHEN incoming.version < stored.version THEN false
                   WHEN incoming.tombstone THEN stored.deleted_at IS NULL
                   WHEN stored.deleted_at IS NULL THEN stored.content_hash IS DISTINCT FROM incoming.hash
                   WHEN stored.deleted_by IN ('absence', 'gone') THEN true
                   ELSE incoming.version IS NULL OR stored.version IS NULL
                        OR incoming.version > stored.version
               END AS write
        FROM unnest(p_ids, p_hashes, p_versions, p_tombstones) WITH ORDINALITY
            AS incoming (id, hash, version, tombstone, position)
        LEFT JOIN LATERAL (
            SELECT r.seq, r.version, r.content_hash, r.deleted_at, r.deleted_by FROM lockstep.records r
            WHERE r.integration_id = p_integration_id AND r.stream = p_stream
                AND r.external_id = incoming.id COLLATE "C"
            LIMIT 1
        ) stored ON true
    ) verdicts;

    IF p_generation IS NOT NULL AND seen IS NOT NULL THEN
        INSERT INTO lockstep.sync_seen (integration_id, stream, generation, partition, page, seqs)
        VALUES (p_integration_id, p_stream, p_generation, p_partition, p_page, seen)
        ON CONFLICT (integration_id, stream, generation, partition, page)
            DO UPDATE SET seqs = excluded.seqs;
    END IF;
    RETURN coalesce(changed, '{}');
END
$$;
