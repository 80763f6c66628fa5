#!lua flags=allow-oom
-- Purpose: notes that a worker lives and which queues it serves, and forgets those that have been silent for a day.
-- KEYS:    those of the prelude, then what each worker serves (hash: worker id -> names of queues).
-- ARGV:    worker id, names of its queues, separated by commas
-- Reply:   now ms
-- Invariants: at most 100 workers are forgotten per call.

local SERVES = KEYS[#KEYS]
local wrong = wrong_key({ WORKERS, 'zset', SERVES, 'hash' })
if wrong then return wrong end

local now = now_ms()
redis.call('ZADD', WORKERS, int(now), ARGV[1])
redis.call('HSET', SERVES, ARGV[1], ARGV[2])
local silent = redis.call('ZRANGE', WORKERS, '-inf', int(now - 86400000), 'BYSCORE', 'LIMIT', 0, LIMIT.batch)
if #silent > 0 then
    redis.call('ZREM', WORKERS, unpack(silent))
    redis.call('HDEL', SERVES, unpack(silent))
end
return now
