-- The next deletions of an integration, in an order that misses none, as read_records does. Parameters: integration id, stream
-- or null, transaction and id of the last deletion that was read, limit. Reply: transaction, id, JSON or null for a row of
-- another stream.
SELECT d.change_xid::text::bigint, d.id, CASE WHEN $2::text IS NULL OR d.stream = $2 THEN jsonb_build_object(
    'stream', d.stream, 'id', d.external_id, 'reason', d.reason, 'deleted_at', d.deleted_at,
    'run_id', d.sync_id)::text END
FROM lockstep.deletions d
WHERE d.integration_id = $1 AND d.change_xid < pg_snapshot_xmin(pg_current_snapshot())
    AND (d.change_xid, d.id) > ($3::bigint::text::xid8, $4::bigint)
ORDER BY d.change_xid, d.id LIMIT $5
