-- Takes a subscription for one pass. Parameters: owner, ms until another one may take it.
SELECT subscription_id, url, service, stream, user_id, ciphertext, cursor_xid, cursor_row, base_xid, base_row, horizon,
    clock
FROM lockstep.claim_subscription($1, $2)
