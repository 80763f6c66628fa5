#!lua
-- Purpose: takes one dead letter away and makes its payload ready again. Refused when Redis is full.
-- ARGV:    the letter's bytes, queue, payload, 1 to look for it from the newest letter on or -1 from the oldest
-- Reply:   1, or 0 if the letter is gone
-- Invariants: the letter goes only together with the push. Finding it costs time in proportion to its
--          position from there.

local list = READY[ARGV[2]]
local wrong = wrong_key({ list, 'list', DEAD, 'list' })
if wrong then return wrong end

if redis.call('LREM', DEAD, tonumber(ARGV[4]), ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', list, ARGV[3])
return 1
