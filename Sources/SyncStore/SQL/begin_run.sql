-- Opens a run: raises the fence, ends the rows of dead runs, inserts this attempt's row.
-- Parameters: job id, attempt, worker, type, enqueued ms or null, integration id or null, user, service, account (or null), limit
-- of a wait for a lock. Reply: one row per known stream state, at least one; see lockstep.begin_run.
SELECT outcome, integration_id, user_id, service, account, members, fence, sync_id, credential_kind, credential_version,
       ciphertext, stream, cursor, cursor_order, pending_cursor, pending_order, phase, generation, position_text, page, is_read
FROM lockstep.begin_run($1, $2::int, $3, $4, $5, $6, $7, $8, $9, $10)
