-- Takes deliveries that are due. Parameters: channels, ms until another scheduler may take them, limit.
SELECT delivery_id, attempt, event, channel, alert_id, kind, service, integration_id, subject, opened_at, resolved_at, title,
    detail, clock
FROM lockstep.claim_alert_deliveries($1::text[], $2::bigint, $3::integer)
