-- Redis lost what the epoch had put there: begins a new one, and opens the newest slot of each schedule again, so that
-- the integrations that did not run since are enqueued once more. Unfinished actions are enqueued again too: at once, or
-- when the request of a running attempt is over for sure. Parameters: epoch that was lost, new epoch.
-- Reply: one row: whether this call did it, and how many slots were opened.
WITH lost AS (
    UPDATE lockstep.dispatch SET epoch = $2, beat = 0, confirmed = false, losses = losses + 1, started_at = now()
    WHERE epoch = $1 AND confirmed RETURNING 1
), newest AS (
    SELECT s.id AS schedule_id, f.fire_at
    FROM lockstep.schedules s CROSS JOIN LATERAL (
        SELECT n.fire_at FROM lockstep.schedule_fires n
        WHERE n.schedule_id = s.id AND n.state <> 'skipped' ORDER BY n.fire_at DESC LIMIT 1
    ) f
    WHERE s.enabled AND EXISTS (SELECT 1 FROM lost)
), opened AS (
    UPDATE lockstep.schedule_fires f SET state = 'enqueueing', last_integration_id = 0, round = round + 1,
        owner = NULL, owned_until = NULL
    FROM newest WHERE f.schedule_id = newest.schedule_id AND f.fire_at = newest.fire_at RETURNING 1
), actions AS (
    UPDATE lockstep.actions SET sweeps = 0,
        sweep_at = now() + CASE status WHEN 'running' THEN interval '40 seconds' ELSE interval '0 seconds' END
    WHERE status IN ('requested', 'running') AND EXISTS (SELECT 1 FROM lost)
)
SELECT EXISTS (SELECT 1 FROM lost), (SELECT count(*) FROM opened)
