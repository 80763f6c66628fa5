-- Adds an integration, or changes the configuration of one that exists. Parameters: user, service, account, config.
-- Reply: id, whether it is new, the number of the transaction; no row while the integration is being erased.
INSERT INTO lockstep.integrations (user_id, service, account, config) VALUES ($1, $2, $3, $4::jsonb)
ON CONFLICT (user_id, service, account) DO UPDATE SET config = excluded.config, updated_at = now(),
    status = CASE WHEN integrations.status = 'paused' THEN 'paused' ELSE 'active' END
WHERE integrations.erasing_since IS NULL
RETURNING id, xmax = 0, pg_current_xact_id()::text
