#!lua flags=allow-oom
-- Purpose: gives back the lock of a refresh.
-- KEYS:    the lock
-- ARGV:    owner
-- Reply:   1 when it was the owner's, else 0
-- Invariants: a lock that somebody else holds by now stays.
if redis.call('TYPE', KEYS[1]).ok ~= 'string' or redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
