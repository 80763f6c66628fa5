-- Parameters: as of accept_webhooks. Reply: the rows that a job has to be enqueued for, with their integrations.
SELECT id, integration_id FROM lockstep.accept_webhooks($1, $2, $3, $4, $5, $6, $7, $8)
