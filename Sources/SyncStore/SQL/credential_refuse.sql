-- Takes an integration out of service because its credential is refused. Parameters: integration id, version or null,
-- reason, title and detail of the alert. See lockstep.refuse_credential.
SELECT lockstep.refuse_credential($1, $2::bigint, $3, $4, $5)
