-- Notes that an attempt failed, unless a later one has begun. Parameters: id, attempt, error, ms until the next one; null for
-- none.
UPDATE lockstep.alert_deliveries SET error = $3,
    status = CASE WHEN $4::bigint IS NULL THEN 'dead' ELSE 'pending' END,
    settled_at = CASE WHEN $4::bigint IS NULL THEN now() END,
    due_at = now() + coalesce($4::bigint, 0) * interval '1 millisecond'
WHERE id = $1 AND attempts = $2 AND status = 'pending'
