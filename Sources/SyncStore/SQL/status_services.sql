-- What each service holds.
SELECT i.service, count(*), count(*) FILTER (WHERE i.status = 'active'),
       coalesce(sum(r.live), 0)::bigint, coalesce(sum(d.gone), 0)::bigint
FROM lockstep.integrations i
LEFT JOIN (SELECT integration_id, count(*) AS live FROM lockstep.records WHERE deleted_at IS NULL
           GROUP BY integration_id) r ON r.integration_id = i.id
LEFT JOIN (SELECT integration_id, count(*) AS gone FROM lockstep.deletions
           GROUP BY integration_id) d ON d.integration_id = i.id
GROUP BY i.service ORDER BY i.service
