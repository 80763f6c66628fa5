-- Alerts that schedulers watch: the open ones, and those that were resolved within a time. Parameters: kinds, the time in ms.
SELECT id, kind, service, subject, seen_at, resolved_at
FROM lockstep.alerts WHERE kind = ANY ($1::text[]) AND resolved_at IS NULL
UNION ALL
SELECT id, kind, service, subject, seen_at, resolved_at
FROM lockstep.alerts
WHERE kind = ANY ($1::text[]) AND resolved_at > now() - $2::bigint * interval '1 millisecond'
