-- Tells whether a run could begin and commit now: it takes the locks that writers take, and writes nothing.
-- Parameters: none.
-- Reply: one row. A server that is read-only refuses with 25006; a table that somebody has locked makes it wait.
WITH integrations AS (UPDATE lockstep.integrations SET fence = fence WHERE false RETURNING 1),
    sync_log AS (UPDATE lockstep.sync_log SET status = status WHERE false RETURNING 1),
    sync_state AS (UPDATE lockstep.sync_state SET page = page WHERE false RETURNING 1),
    records AS (UPDATE lockstep.records SET sync_id = sync_id WHERE false RETURNING 1)
SELECT 1
