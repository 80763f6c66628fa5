-- The next changes of an integration's records, in an order that misses none: only transactions below the horizon of this
-- snapshot are read, and all of them have ended. Parameters: integration id, stream or null, transaction and seq of the last
-- change that was read, limit. Reply: transaction, seq, JSON or null for a row of another stream. `seq > 0` holds always; without
-- it the index by changes is not used.
SELECT r.change_xid::text::bigint, r.seq, CASE WHEN $2::text IS NULL OR r.stream = $2 THEN
    '{"stream":' || to_json(r.stream)::text || ',"id":' || to_json(r.external_id)::text
    || ',"deleted":' || (r.deleted_at IS NOT NULL)::text || ',"changed_at":' || to_json(r.synced_at)::text
    || ',"first_synced_at":' || to_json(r.first_synced_at)::text
    || ',"data":' || CASE WHEN r.deleted_at IS NULL THEN coalesce(r.data::text, 'null') ELSE 'null' END || '}' END
FROM lockstep.records r
WHERE r.integration_id = $1 AND r.change_xid < pg_snapshot_xmin(pg_current_snapshot())
    AND (r.change_xid, r.seq) > ($3::bigint::text::xid8, $4::bigint) AND r.seq > 0
ORDER BY r.change_xid, r.seq LIMIT $5
