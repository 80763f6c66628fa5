#!lua flags=allow-oom
-- Purpose: sorts ready jobs into the lanes of their users, so that a job in the middle of a long list gets its turn
--          without the jobs before it having to run first.
-- ARGV:    first 24 characters of new ids, number of which the first one's last 12 hex digits are made, names of
--          the queues…
-- Reply:   jobs left in the lists
-- Invariants: at most 50 jobs per call and queue.

local wrong = wrong_key({ WAITING, 'hash', CLOCK, 'hash', OWNERS, 'hash', COUNTERS, 'hash' })
if wrong then return wrong end

local now_text, budget, left = int(now_ms()), LIMIT.sorted, 0
for i = 3, #ARGV do
    local queue = ARGV[i]
    local list = READY[queue]
    if not is_wrong(list, 'list') and not is_wrong(LANES[queue], 'zset') and not is_wrong(TURNS[queue], 'zset') then
        budget = budget - sort_list(list, queue, budget, now_text, ARGV[1], ARGV[2])
        hand_over(queue)
        left = left + redis.call('LLEN', list)
    end
end
return left
