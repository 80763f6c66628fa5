#!lua flags=allow-oom
-- Purpose: tells which running jobs keep a short one waiting for their integration: an action or a webhook's event, for
--          which a person waits.
-- ARGV:    id, token for each job (at most 100).
-- Reply:   { positions, from 0, of those that do }
-- Invariants: reads only, and of each integration the first few jobs that wait for it.

local wrong = wrong_key({ JOBS, 'hash', ORDER, 'zset', PARKED, 'hash', COUNTS, 'hash' })
if wrong then return wrong end

local short = { action = true, webhook = true }
local looked_at = 5

local function holds_up(key)
    if key == '' or redis.call('HEXISTS', COUNTS, key) == 0 then return false end
    local members = redis.call('ZRANGEBYLEX', ORDER, '[' .. key .. RS, '(' .. key .. US, 'LIMIT', 0, looked_at)
    for _, member in ipairs(members) do
        local envelope = redis.call('HGET', PARKED, member)
        local job = envelope and parse(envelope)
        if job then
            local _, type = read(job)
            if short[type] then return true end
        end
    end
    return false
end

local found = {}
for i = 1, #ARGV, 2 do
    local job = held(ARGV[i], ARGV[i + 1])
    if job and (holds_up(job.key) or holds_up(job.bound)) then found[#found + 1] = (i - 1) / 2 end
end
return found
