-- Drops the oldest day of the request log that is over for so long. Parameter: ms. Reply: whether there was one.
SELECT lockstep.api_log_drop_day(now() - $1::bigint * interval '1 millisecond')
