-- Starts an attempt of an action. Parameters: action, integration, job id, attempt of the job, worker, enqueued ms or null.
-- Reply: one row, with `config` as members apart by RS, name and value apart by US; see lockstep.begin_action.
SELECT r.outcome, r.user_id, r.service, r.account,
       (SELECT string_agg(key || E'\x1f' || value, E'\x1e') FROM jsonb_each_text(r.config) WHERE value IS NOT NULL),
       r.sync_id, r.credential_kind, r.credential_version, r.ciphertext, r.name, r.input::text, r.idempotency_key,
       r.attempts, r.doubt_ms
FROM lockstep.begin_action($1, $2, $3, $4::int, $5, $6) r
