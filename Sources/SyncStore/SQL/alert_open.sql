-- Opens an alert, unless one of its cause is open, or was resolved within a time. Parameters: kind, service or null, subject,
-- title, detail, the time in ms. Reply: its id; no row when nothing was opened.
INSERT INTO lockstep.alerts (kind, service, subject, title, detail)
SELECT $1, $2, $3, $4, $5
WHERE NOT EXISTS (
    SELECT FROM lockstep.alerts
    WHERE kind = $1 AND service IS NOT DISTINCT FROM $2::text AND subject = $3 COLLATE "C"
        AND resolved_at > now() - $6::bigint * interval '1 millisecond')
ON CONFLICT DO NOTHING RETURNING id
