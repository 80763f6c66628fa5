#!lua flags=allow-oom
-- Purpose: ends a pause and releases what was parked for it.
-- ARGV:    member of `paused`
-- Reply:   { 1 if it was paused, jobs released, jobs still parked for it }
-- Invariants: at most 100 jobs per call; call again while jobs are left. Workers finish the rest when the
--          caller dies.

local wrong = wrong_key(IN_FLIGHT) or wrong_key({ PAUSED, 'set', WAITING, 'hash' })
if wrong then return wrong end

local was = redis.call('SREM', PAUSED, ARGV[1])
local wait = 'pause:' .. ARGV[1]
local released = release(wait, LIMIT.batch)
local queue = ARGV[1]:match('^queue:(%a+)$')
if queue and LANES[queue] and not is_wrong(READY[queue], 'list') and not is_wrong(LANES[queue], 'zset')
    and not is_wrong(TURNS[queue], 'zset') then
    hand_over(queue)
end
return { was, released, tonumber(redis.call('HGET', COUNTS, wait) or 0) }
