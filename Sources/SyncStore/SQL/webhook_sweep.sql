-- Parameters: limit. Reply: integrations that a job is to be enqueued for, with the event that it names.
SELECT integration_id, id FROM lockstep.sweep_webhooks($1::integer)
