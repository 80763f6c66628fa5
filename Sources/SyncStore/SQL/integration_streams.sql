-- What an integration holds, per stream. Parameter: integration id.
SELECT s.stream, max(s.phase), max(s.generation), max(s.last_success_at), max(s.last_full_at), count(*),
       (SELECT count(*) FROM lockstep.records r
        WHERE r.integration_id = s.integration_id AND r.stream = s.stream AND r.deleted_at IS NULL),
       (SELECT count(*) FROM lockstep.deletions d WHERE d.integration_id = s.integration_id AND d.stream = s.stream)
FROM lockstep.sync_state s WHERE s.integration_id = $1
GROUP BY s.integration_id, s.stream ORDER BY s.stream
