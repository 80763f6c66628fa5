-- Stores refreshed secrets as the next version. Parameters: integration id, version, key id, ciphertext, ms until they
-- expire or null, ms until they are to be refreshed or null, scopes or null. See lockstep.store_refreshed.
SELECT lockstep.store_refreshed($1, $2, $3, $4, $5::bigint, $6::bigint, $7::text[])
