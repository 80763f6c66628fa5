#!lua
-- Purpose: makes jobs of a backfill ready; each one once, however often the call is repeated. Refused whole when Redis
--          is full.
-- KEYS:    those of the prelude, then the mark of the backfill (string: integration and step of its last job).
-- ARGV:    queue, then integration id, step, job id and payload for each job (at most 100), by rising integration and step.
-- Reply:   number of jobs enqueued
-- Invariant: the jobs up to the mark were enqueued; the mark lasts a week after the last one.

local MARK = KEYS[#KEYS]
local list = READY[ARGV[1]]
local wrong = wrong_key({ list, 'list', MARK, 'string' })
if wrong then return wrong end

local now, count = now_ms(), 0
local done, done_step = (redis.call('GET', MARK) or '0 -1'):match('^(%d+) (-?%d+)$')
done, done_step = tonumber(done or 0), tonumber(done_step or -1)
local last
for i = 2, #ARGV, 4 do
    local integration, step = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    if integration > done or integration == done and step > done_step then
        local payload = ARGV[i + 3]
        redis.call('LPUSH', list, build({
            token = '-', state = 'q', bound = '', id = ARGV[i + 2], attempts = '0', recoveries = '0', queue = ARGV[1],
            enqueued = int(now), size = string.format('%d', #payload), key = '#' .. ARGV[i], payload = payload,
        }))
        count, last = count + 1, ARGV[i] .. ' ' .. ARGV[i + 1]
    end
end
if last then redis.call('SET', MARK, last, 'EX', 604800) end
return count
