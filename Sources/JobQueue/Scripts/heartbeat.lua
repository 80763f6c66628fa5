#!lua flags=allow-oom
-- Purpose: notes that a worker lives, and forgets those that have been silent for a day.
-- ARGV:    worker id
-- Reply:   now ms

local wrong = wrong_key({ WORKERS, 'zset' })
if wrong then return wrong end

local now = now_ms()
redis.call('ZADD', WORKERS, int(now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', WORKERS, '-inf', int(now - 86400000))
return now
