-- Keeps notifications. Parameters and reply: as of accept_webhooks.
SELECT id, integration_id, status = 'received', service, event_id FROM lockstep.accept_webhooks($1, $2, $3, $4, $5, $6, $7, $8, $9)
