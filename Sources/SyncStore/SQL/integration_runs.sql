-- The newest log rows of an integration. Parameters: integration id, limit.
SELECT id, type, status, started_at, completed_at, pages, records_read, records_added, records_updated,
       records_deleted, records_unchanged, error_code, error_message, error_detail
FROM lockstep.sync_log WHERE integration_id = $1 ORDER BY id DESC LIMIT $2
