-- Takes a pending authorization away. Parameters: hash of the state, hash of the session. A callback of another browser
-- does not use it up.
DELETE FROM lockstep.oauth_states WHERE state_hash = $1 AND session_hash = $2 AND expires_at > now()
RETURNING user_id, service, account, config::text, redirect_uri, ciphertext
