-- SPDX-License-Identifier: Apache-2.0
-- What a notification brought to light is told apart from what a sync found.

-- Writes the records that diff_batch named, with its verdicts (0 add, 1 update, 2 delete, 3 keep a tombstone). Ids are
-- distinct. A tombstone keeps the last data, marks the row and adds one row to `deletions`, with the reason
-- `webhook` when a run of a notification found it; one of an unknown id is kept as a deleted row, so that an older version that
-- comes later stays out.
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
        synced_at = now(), deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by,
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
