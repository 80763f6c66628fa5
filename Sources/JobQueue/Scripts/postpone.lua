#!lua flags=allow-oom
-- Purpose: gives jobs back for later (retry: an attempt is charged; snooze: none is).
-- ARGV:    attempts to charge (0 or 1), then id, token, delay in ms or @ and the due time in ms, for each job
--          (at most 100).
-- Reply:   { positions, from 0, of the jobs whose lease is lost }; those are left alone
-- Invariants: without a delay the job is the next one to be taken from its list.

local wrong = wrong_key(IN_FLIGHT) or wrong_key({ DELAYED, 'zset' })
if wrong then return wrong end

local charge, now, lost = tonumber(ARGV[1]), now_ms(), {}
for i = 2, #ARGV, 3 do
    local job = held(ARGV[i], ARGV[i + 1])
    if job then
        local when = ARGV[i + 2]
        local due = when:sub(1, 1) == '@' and tonumber(when:sub(2)) or now + tonumber(when)
        leave(job)
        job.attempts = int(tonumber(job.attempts) + charge)
        -- Its worker lives: what counts toward poison is deaths in a row.
        job.recoveries = '0'
        if due <= now and not is_wrong(READY[job.queue], 'list') then
            redis.call('RPUSH', READY[job.queue], queued(job))
        else
            redis.call('ZADD', DELAYED, int(due), queued(job))
        end
    else
        lost[#lost + 1] = (i - 2) / 3
    end
end
return lost
