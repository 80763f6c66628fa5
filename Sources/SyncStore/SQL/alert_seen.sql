-- Notes that the causes of open alerts are still there. Parameter: ids.
UPDATE lockstep.alerts SET seen_at = now() WHERE id = ANY ($1::bigint[]) AND resolved_at IS NULL
