-- Whether it is the caller's turn to look at what alerts are about: one scheduler in each interval. A turn further ahead comes
-- from a clock that has gone back; of two that ask at once the second one may have begun before the first. Parameter: the interval in ms. Reply: a row with the time when it is.
UPDATE lockstep.alert_watch SET due_at = now() + $1::bigint * interval '1 millisecond'
WHERE due_at <= now() OR due_at > clock_timestamp() + $1::bigint * interval '1 millisecond'
RETURNING now()
