-- One integration by its id or by its key. Parameters: id or null, user, service, account.
SELECT id, user_id, service, account, status FROM lockstep.integrations
WHERE CASE WHEN $1::bigint IS NOT NULL THEN id = $1 ELSE user_id = $2 AND service = $3 AND account = $4 END
