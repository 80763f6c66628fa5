-- How many credentials, and secrets of subscriptions, each key seals.
SELECT key_id, count(*) FROM (
    SELECT key_id FROM lockstep.credentials UNION ALL SELECT key_id FROM lockstep.subscriptions
) sealed GROUP BY key_id ORDER BY key_id
