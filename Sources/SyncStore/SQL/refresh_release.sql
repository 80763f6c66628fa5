-- Ends a claim whose refresh failed. Parameters: integration id, version, owner, whether the provider may have acted, ms
-- to wait; null for a wait that doubles with each failure in a row, up to a minute.
UPDATE lockstep.credentials
SET refresh_owner = NULL, refresh_until = NULL, refresh_in_doubt = refresh_in_doubt OR $4,
    refresh_failures = refresh_failures + 1,
    refresh_not_before = clock_timestamp() + coalesce($5::bigint * interval '1 millisecond',
        least(60, power(2, least(refresh_failures, 6))) * interval '1 second')
WHERE integration_id = $1 AND version = $2 AND refresh_owner = $3
