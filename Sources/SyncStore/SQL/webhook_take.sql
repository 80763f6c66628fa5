-- Parameters: integration id, fence, the event that the job names, whether to give that one alone, limit.
SELECT id, event_type, raw, stream, partition FROM lockstep.take_webhooks($1, $2, $3, $4, $5::integer)
