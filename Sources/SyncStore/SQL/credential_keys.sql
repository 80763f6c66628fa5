-- How many credentials each key seals.
SELECT key_id, count(*) FROM lockstep.credentials GROUP BY key_id ORDER BY key_id
