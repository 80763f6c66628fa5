-- Sweeps that are held, the oldest first. Parameters: after id, limit. Reply: id, integration, user, service, account, stream,
-- absent, live, since, run, records of child streams, why.
SELECT s.id, s.integration_id, i.user_id, i.service, i.account, s.stream, s.absent, s.live, s.created_at, s.sync_id,
       s.orphans, s.reason
FROM lockstep.sweeps s JOIN lockstep.integrations i ON i.id = s.integration_id
WHERE s.status = 'held' AND s.id > $1
ORDER BY s.id LIMIT $2
