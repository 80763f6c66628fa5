-- What an erasure deleted: table, rows. Parameter: integration id.
SELECT d.key, d.value::bigint FROM lockstep.erasures e, jsonb_each_text(e.deleted) d
WHERE e.integration_id = $1 ORDER BY d.key
