-- SPDX-License-Identifier: Apache-2.0
-- Look-ups of records by their ids, by the primary key for certain. Of an account that was connected after the table was analyzed
-- the planner expects no row: then any index that begins with the integration seemed as good, and each look-up read all that
-- the account had.

-- Compares a batch with the stored rows by id, version and hash, and remembers the unchanged ones as seen when
-- `p_generation` is not null. Checks the fence first. Ids are distinct within a batch.
-- Reply: for each record that has to be written its 0-based position times 4, plus 0 to add it, 1 to update it,
-- 2 to delete it, 3 to keep a tombstone of an unknown id.
--
-- The planner does not know how long the arrays are, and of a table that just grew not how large it is. Left alone, it
-- reads the whole stream for a page of it, or for each record of it. The rows from an id to the same id, in the order of ids, are to
-- be had from the primary key alone, whatever the planner thinks; with equality it would not ask for an order.
CREATE OR REPLACE FUNCTION lockstep.diff_batch(
    p_integration_id bigint, p_fence bigint, p_stream text, p_generation bigint, p_partition text,
    p_page bigint, p_ids text[], p_hashes bytea[], p_versions bigint[], p_tombstones boolean[]
) RETURNS integer[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_sort = off AS $$
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
            SELECT r.external_id, r.seq, r.version, r.content_hash, r.deleted_at, r.deleted_by
            FROM lockstep.records r
            WHERE r.integration_id = p_integration_id AND r.stream = p_stream
                AND r.external_id >= incoming.id COLLATE "C" AND r.external_id <= incoming.id COLLATE "C"
            ORDER BY r.external_id
            LIMIT 1
        ) stored ON stored.external_id = incoming.id COLLATE "C"
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

-- Notes what an enumeration showed and that was not stored: the rows of `p_ids` are seen. With `p_unread` there was a record
-- whose id could not be read, and with it nobody knows what is absent: the page -1, without rows, says so of the generation.
-- Called in the transaction of the checkpoint, after diff_batch, which begins the array of the page.
CREATE OR REPLACE FUNCTION lockstep.note_rejected(
    p_integration_id bigint, p_stream text, p_generation bigint, p_partition text, p_page bigint, p_unread boolean,
    p_ids text[]
) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_sort = off AS $$
BEGIN
    INSERT INTO lockstep.sync_seen AS s (integration_id, stream, generation, partition, page, seqs)
    SELECT p_integration_id, p_stream, p_generation, p_partition, p_page, array_agg(stored.seq)
    FROM unnest(p_ids) AS shown (id)
    JOIN LATERAL (
        SELECT r.external_id, r.seq FROM lockstep.records r
        WHERE r.integration_id = p_integration_id AND r.stream = p_stream
            AND r.external_id >= shown.id COLLATE "C" AND r.external_id <= shown.id COLLATE "C"
        ORDER BY r.external_id
        LIMIT 1
    ) stored ON stored.external_id = shown.id COLLATE "C"
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
