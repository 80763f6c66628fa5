#!lua flags=allow-oom
-- Purpose: ends a pause and releases what was parked for it.
-- ARGV:    member of `paused`
-- Reply:   { 1 if it was paused, jobs released, jobs still parked for it }
-- Invariants: at most 100 jobs per call; call again while jobs are left. Workers finish the rest when the
--          caller dies.

local wrong = wrong_key(IN_FLIGHT) or wrong_key({ PAUSED, 'set' })
if wrong then return wrong end

local was = redis.call('SREM', PAUSED, ARGV[1])
local wait = 'pause:' .. ARGV[1]
local released = release(wait, LIMIT.batch)
return { was, released, tonumber(redis.call('HGET', COUNTS, wait) or 0) }
