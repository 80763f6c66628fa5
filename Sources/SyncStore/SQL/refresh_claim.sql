-- Claims a refresh. Parameters: integration id, version, owner, lease in ms. See lockstep.claim_refresh.
SELECT kind, ciphertext, in_doubt, clock_timestamp() FROM lockstep.claim_refresh($1, $2, $3, $4)
