-- The time of the last sync of each service that succeeded; null for a service without one. One look into an index for each
-- service, at most 100.
WITH RECURSIVE services AS (
    (SELECT i.service FROM lockstep.integrations i ORDER BY i.service LIMIT 1)
    UNION ALL
    SELECT (SELECT i.service FROM lockstep.integrations i WHERE i.service > s.service ORDER BY i.service LIMIT 1)
    FROM services s WHERE s.service IS NOT NULL
), known AS (
    SELECT service FROM services WHERE service IS NOT NULL LIMIT 100
)
SELECT k.service, (
    SELECT l.completed_at FROM lockstep.sync_log l
    WHERE l.service COLLATE "C" = k.service AND l.status = 'succeeded' AND l.type <> 'action' ORDER BY l.id DESC LIMIT 1
), now()
FROM known k
