-- Resolves alerts whose cause was not seen for a time; somebody may have seen it since. Parameters: ids, the time in ms.
-- Reply: the ids that are resolved by this call.
UPDATE lockstep.alerts SET resolved_at = now()
WHERE id = ANY ($1::bigint[]) AND resolved_at IS NULL AND seen_at <= now() - $2::bigint * interval '1 millisecond'
RETURNING id
