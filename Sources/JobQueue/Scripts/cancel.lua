#!lua flags=allow-oom
-- Purpose: notes that nobody shall run a job: its worker stops it, or the claim that meets it drops it.
-- ARGV:    id
-- Reply:   1 if the job is in flight, else 0
-- Invariants: a wish that met no job for a week is forgotten, at most 100 per call.

local wrong = wrong_key({ CANCELLED, 'zset', JOBS, 'hash' })
if wrong then return wrong end

local now = now_ms()
local old = redis.call('ZRANGE', CANCELLED, '-inf', int(now - 604800000), 'BYSCORE', 'LIMIT', 0, LIMIT.batch)
if #old > 0 then redis.call('ZREM', CANCELLED, unpack(old)) end
redis.call('ZADD', CANCELLED, int(now), ARGV[1])
return redis.call('HEXISTS', JOBS, ARGV[1])
