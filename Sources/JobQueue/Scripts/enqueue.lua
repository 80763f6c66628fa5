#!lua
-- Purpose: makes valid payloads ready, or due later. Refused whole when Redis is full.
-- ARGV:    queue, then id, lock key, payload, due for each job (at most 100). due: empty for now, a delay in
--          ms, or @ and the due time in ms.
-- Reply:   number of jobs enqueued

local list = READY[ARGV[1]]
local wrong = wrong_key({ list, 'list', DELAYED, 'zset' })
if wrong then return wrong end

local now, count = now_ms(), 0
for i = 2, #ARGV, 4 do
    local payload, due = ARGV[i + 2], ARGV[i + 3]
    local at = due:sub(1, 1) == '@' and tonumber(due:sub(2)) or due ~= '' and now + tonumber(due) or now
    local envelope = build({
        token = '-', state = 'q', bound = '', id = ARGV[i], attempts = '0', recoveries = '0', queue = ARGV[1],
        enqueued = int(math.max(now, at)),
        size = string.format('%d', #payload), key = ARGV[i + 1], payload = payload,
    })
    if at <= now then
        redis.call('LPUSH', list, envelope)
    else
        redis.call('ZADD', DELAYED, int(at), envelope)
    end
    count = count + 1
end
return count
