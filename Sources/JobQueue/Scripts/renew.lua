#!lua flags=allow-oom
-- Purpose: extends leases that are still held.
-- ARGV:    lease ms, then id, token for each job (at most 100).
-- Reply:   { positions, from 0, of the leases that are lost }
-- Invariants: a lease whose token is another's is not touched. One that has run out but that nobody reaped is
--          extended.

local wrong = wrong_key({ JOBS, 'hash', LEASES, 'zset' })
if wrong then return wrong end

local deadline = int(now_ms() + tonumber(ARGV[1]))
local lost, leases = {}, {}
for i = 2, #ARGV, 2 do
    if held(ARGV[i], ARGV[i + 1]) then
        leases[#leases + 1] = deadline
        leases[#leases + 1] = ARGV[i]
    else
        lost[#lost + 1] = i / 2 - 1
    end
end
if #leases > 0 then redis.call('ZADD', LEASES, unpack(leases)) end
return lost
