-- Opens a run: raises the fence, ends the rows of dead runs, inserts this attempt's row.
-- Parameters: job id, attempt, worker, type, enqueued ms or null, integration id or null, user, service, account (or null).
-- Reply: `is_read`: an earlier run of this very job has read the stream whole, so that one that goes on need not. The job is told
-- from an earlier one of the same id by when it was enqueued. `config` as members apart by RS, name and value apart by US; one row per known stream state, at least one; see lockstep.begin_run.
SELECT r.outcome, r.integration_id, r.user_id, r.service, r.account,
       (SELECT string_agg(key || E'\x1f' || value, E'\x1e') FROM jsonb_each_text(r.config) WHERE value IS NOT NULL),
       r.fence, r.sync_id, r.credential_kind, r.credential_version, r.ciphertext,
       r.stream, r.cursor, r.cursor_order, r.pending_cursor, r.pending_order, r.phase, r.generation, r.position_text,
       r.page,
       coalesce($4 = 'full' AND r.phase = 'idle' AND EXISTS (
           SELECT 1 FROM lockstep.sync_state s
           WHERE s.integration_id = r.integration_id AND s.stream = r.stream AND s.partition = ''
               AND s.last_full_at > (
                   SELECT min(l.started_at) FROM lockstep.sync_log l
                   WHERE l.job_id COLLATE "C" = $1 AND l.integration_id = r.integration_id
                       AND l.enqueued_at = to_timestamp($5::bigint / 1000.0))), false) AS is_read
FROM lockstep.begin_run($1, $2::int, $3, $4, $5, $6, $7, $8, $9) r
