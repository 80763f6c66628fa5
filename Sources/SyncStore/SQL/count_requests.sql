-- How many requests of a run are in the request log. Parameter: id of the run.
SELECT count(*) FROM lockstep.api_log WHERE sync_id = $1
