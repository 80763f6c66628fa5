-- SPDX-License-Identifier: Apache-2.0
-- What passes: an object that was not found once, and a slice that may not be read for a while.

-- Whether a record that is shown in the version that its `gone` row has is there after all. What belonged to a deleted parent
-- is, whenever it is shown. What the provider itself did not find is only if it was looked for again since: a full sync, or
-- else a run, that began more than ten minutes after. Until then a page may be older than the deletion, and a list may lag.
CREATE FUNCTION lockstep.outlives_gone(
    p_integration_id bigint, p_fence bigint, p_stream text, p_generation bigint, p_partition text, p_external_id text,
    p_deleted_at timestamptz
) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    began timestamptz;
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM lockstep.deletions
        WHERE integration_id = p_integration_id AND stream = p_stream AND external_id = p_external_id
            AND deleted_at = p_deleted_at AND reason IN ('tombstone', 'webhook')
    ) THEN
        RETURN true;
    END IF;
    -- The first checkpoint of a generation has not said yet when that began: not before its run.
    SELECT coalesce(
        (SELECT generation_started_at FROM lockstep.sync_state
         WHERE integration_id = p_integration_id AND stream = p_stream AND partition = p_partition
             AND generation = p_generation),
        (SELECT max(started_at) FROM lockstep.sync_log
         WHERE integration_id = p_integration_id AND fence = p_fence AND status = 'running')) INTO began;
    RETURN coalesce(p_deleted_at < began - interval '10 minutes', false);
END
$$;

-- Compares a batch with the stored rows by id, version and hash, and remembers the unchanged ones as seen when
-- `p_generation` is not null. Checks the fence first. Ids are distinct within a batch.
-- Reply: for each record that has to be written its 0-based position times 4, plus 0 to add it, 1 to update it,
-- 2 to delete it, 3 to keep a tombstone of an unknown id.
--
-- The planner does not know how long the arrays are, and of a table that just grew not how large it is. Left alone, it
-- reads the whole stream for a page of it: the LIMIT makes each record a look-up by the primary key, whatever it thinks.
CREATE OR REPLACE FUNCTION lockstep.diff_batch(
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
                   WHEN stored.deleted_by = 'absence' OR incoming.version IS NULL OR stored.version IS NULL
                       OR incoming.version > stored.version THEN true
                   WHEN stored.deleted_by = 'gone' THEN lockstep.outlives_gone(
                       p_integration_id, p_fence, p_stream, p_generation, p_partition, incoming.id, stored.deleted_at)
                   ELSE false
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

-- Writes the records that diff_batch named, with its verdicts (0 add, 1 update, 2 delete, 3 keep a tombstone). Ids are
-- distinct. A tombstone keeps the last data, marks the row and adds one row to `deletions`, with the reason
-- `webhook` when a run of a notification found it; one of an unknown id is kept as a deleted row, so that an older version that
-- comes later stays out. Without a version of its own it says nothing of the version that the row has: such a row is `gone`, which
-- the same version undoes when it is shown later.
CREATE OR REPLACE FUNCTION lockstep.write_records(
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
        synced_at = now(), deleted_at = excluded.deleted_at,
        deleted_by = CASE WHEN excluded.deleted_at IS NOT NULL AND excluded.version IS NULL AND r.version IS NOT NULL
                          THEN 'gone' ELSE excluded.deleted_by END,
        sync_id = excluded.sync_id;

    IF 2 = ANY (p_verdicts) THEN
        INSERT INTO lockstep.deletions (integration_id, stream, external_id, reason, sync_id)
        SELECT p_integration_id, p_stream, i.id,
               CASE (SELECT l.type FROM lockstep.sync_log l WHERE l.id = p_sync_id)
                   WHEN 'webhook' THEN 'webhook' ELSE 'tombstone' END,
               p_sync_id
        FROM unnest(p_ids, p_verdicts) AS i (id, verdict) WHERE i.verdict = 2;
    END IF;
END
$$;

-- When a provider last refused to show a slice, and with what code: of class `permission`. It may not be read while that is later
-- than `last_success_at`.
ALTER TABLE lockstep.sync_state ADD COLUMN refused_at timestamptz, ADD COLUMN refused_code text;

CREATE INDEX sync_state_refused ON lockstep.sync_state (integration_id) WHERE refused_at IS NOT NULL;

-- Notes slices of a child stream that may not be read. Reply: how many of the stream may not be, and how many were read to their
-- end and may be read.
CREATE FUNCTION lockstep.refuse_slices(
    p_integration_id bigint, p_fence bigint, p_stream text, p_partitions text[], p_codes text[]
) RETURNS TABLE (refused bigint, readable bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lockstep.check_fence(p_integration_id, p_fence);
    INSERT INTO lockstep.sync_state AS s (integration_id, stream, partition, refused_at, refused_code)
    SELECT p_integration_id, p_stream, r.partition, now(), r.code
    FROM unnest(p_partitions, p_codes) AS r (partition, code)
    ON CONFLICT (integration_id, stream, partition)
        DO UPDATE SET refused_at = excluded.refused_at, refused_code = excluded.refused_code;

    RETURN QUERY
    SELECT count(*) FILTER (WHERE s.refused_at > coalesce(s.last_success_at, '-infinity')),
           count(*) FILTER (WHERE s.last_success_at >= coalesce(s.refused_at, '-infinity'))
    FROM lockstep.sync_state s
    WHERE s.integration_id = p_integration_id AND s.stream = p_stream AND s.partition <> '';
END
$$;

-- An integration of which a slice may not be read is degraded. Whatever the other rules are, they stay: the view is made anew from
-- its own text.
DO $$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW lockstep.integration_health AS '
        || replace(pg_get_viewdef('lockstep.integration_health'::regclass), '(t.last_failed OR ',
            '(EXISTS (SELECT 1 FROM lockstep.sync_state s WHERE s.integration_id = i.id AND s.refused_at IS NOT NULL '
            'AND (s.last_success_at IS NULL OR s.refused_at > s.last_success_at)) OR t.last_failed OR ');
END
$$;
