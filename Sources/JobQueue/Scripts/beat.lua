#!lua flags=allow-oom
-- Purpose: raises the beat of the epoch that Redis knows, never lowers it.
-- KEYS:    those of the prelude, then the dispatch mark (hash: epoch, beat).
-- ARGV:    epoch, beat.
-- Reply:   1; 0 when Redis does not know the epoch, and nothing was written.

local EPOCH = KEYS[#KEYS]
local wrong = wrong_key({ EPOCH, 'hash' })
if wrong then return wrong end
if redis.call('HGET', EPOCH, 'epoch') ~= ARGV[1] then return 0 end
if tonumber(redis.call('HGET', EPOCH, 'beat') or '0') < tonumber(ARGV[2]) then
    redis.call('HSET', EPOCH, 'beat', ARGV[2])
end
return 1
