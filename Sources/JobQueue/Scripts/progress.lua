#!lua flags=allow-oom
-- Purpose: notes that a job got further than before, so that the deaths of its earlier workers do not count
--          any more.
-- ARGV:    id, token
-- Reply:   1, or 0 if the lease is lost

local wrong = wrong_key({ JOBS, 'hash' })
if wrong then return wrong end

local job = held(ARGV[1], ARGV[2])
if not job then return 0 end
if job.recoveries ~= '0' then
    job.recoveries = '0'
    redis.call('HSET', JOBS, job.id, build(job))
end
return 1
