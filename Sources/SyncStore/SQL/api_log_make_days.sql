-- Makes the partitions of the request log for today and the next days. Parameter: how many of these.
SELECT lockstep.api_log_make_days($1::integer)
