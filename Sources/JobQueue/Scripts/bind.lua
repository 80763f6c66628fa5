#!lua flags=allow-oom
-- Purpose: gives a running job the lock of its integration's id too, so that a payload by id and one by name
--          exclude each other.
-- ARGV:    id, token, lock key #<integration id>, user, service, members of `paused` that concern the
--          integration…
-- Reply:   ok, busy (another job holds the integration), pause:<member>, or lost
-- Invariants: only ok changes the job. Whose integration it is stays known for the jobs to come that name it by
--          its number: they take turns with the user's other jobs, and pauses and caps hold for them at once.

local wrong = wrong_key({ JOBS, 'hash', RUNNING, 'hash', PAUSED, 'set', OWNERS, 'hash' })
if wrong then return wrong end

local job = held(ARGV[1], ARGV[2])
if not job then return 'lost' end
if job.key == ARGV[3] then redis.call('HSET', OWNERS, ARGV[3]:sub(2), ARGV[4] .. US .. ARGV[5]) end
for i = 6, #ARGV do
    if redis.call('SISMEMBER', PAUSED, ARGV[i]) == 1 then return 'pause:' .. ARGV[i] end
end
local key = ARGV[3]
if job.key == key or job.bound == key then return 'ok' end
if redis.call('HSETNX', RUNNING, key, padded(job.id)) == 0 then return 'busy' end
job.bound = key
redis.call('HSET', JOBS, job.id, build(job))
return 'ok'
