-- Notes an account that is being connected, and forgets up to 100 whose time is over. Parameters: hash of the state, hash
-- of the session, user, service, account, config, redirect URI, sealed verifier, lifetime in ms.
WITH old AS (
    DELETE FROM lockstep.oauth_states WHERE state_hash IN (
        SELECT state_hash FROM lockstep.oauth_states WHERE expires_at < now() ORDER BY expires_at LIMIT 100)
)
INSERT INTO lockstep.oauth_states
    (state_hash, session_hash, user_id, service, account, config, redirect_uri, ciphertext, expires_at)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, now() + $9::bigint * interval '1 millisecond')
