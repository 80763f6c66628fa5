-- Adds a subscription. Parameters: id, url, service, stream and user or null, key id, ciphertext, transaction and row to begin
-- behind, or nulls for now. Now is the horizon: what is not committed yet is not passed over.
WITH place AS (
    SELECT coalesce($8::bigint, pg_snapshot_xmin(pg_current_snapshot())::text::bigint) AS xid, coalesce($9::bigint, 0) AS place
)
INSERT INTO lockstep.subscriptions (id, url, service, stream, user_id, key_id, ciphertext, cursor_xid, cursor_row, base_xid,
    base_row)
SELECT $1, $2, $3, $4, $5, $6, $7, xid, place, xid, place FROM place
