#!lua
-- Purpose: makes jobs of a schedule's slot ready, or due later; each one once, however often the call is repeated
--          and by whichever scheduler. Refused whole when Redis is full.
-- KEYS:    those of the prelude, then the dispatch mark (hash) and the slot's own mark (string: the last integration).
-- ARGV:    epoch, queue, type, slot, then integration id and delay in ms for each job (at most 100), by rising id.
-- Reply:   number of jobs enqueued; -1 when Redis does not know the epoch: it lost its content, or another scheduler has
--          begun a new one. Nothing was written then.
-- Invariant: the jobs of a slot up to its mark were enqueued in this epoch; the mark lasts a day.

local EPOCH, MARK = KEYS[#KEYS - 1], KEYS[#KEYS]
local list = READY[ARGV[2]]
local wrong = wrong_key({ list, 'list', DELAYED, 'zset', EPOCH, 'hash', MARK, 'string' })
if wrong then return wrong end
if redis.call('HGET', EPOCH, 'epoch') ~= ARGV[1] then return -1 end

local now, count = now_ms(), 0
local done = tonumber(redis.call('GET', MARK) or '0')
local last
for i = 5, #ARGV, 2 do
    local integration, delay = ARGV[i], tonumber(ARGV[i + 1])
    if tonumber(integration) > done then
        local id = ARGV[4] .. ':' .. integration
        local payload = '{"integration_id":' .. integration .. ',"type":"' .. ARGV[3] .. '","id":"' .. id .. '"}'
        local envelope = build({
            token = '-', state = 'q', bound = '', id = id, attempts = '0', recoveries = '0', queue = ARGV[2],
            enqueued = int(now + math.max(0, delay)),
            size = string.format('%d', #payload), key = '#' .. integration, payload = payload,
        })
        if delay <= 0 then
            redis.call('LPUSH', list, envelope)
        else
            redis.call('ZADD', DELAYED, int(now + delay), envelope)
        end
        count, last = count + 1, integration
    end
end
if last then redis.call('SET', MARK, last, 'EX', 86400) end
return count
