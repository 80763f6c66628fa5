#!lua flags=allow-oom
-- Purpose: recovers jobs whose worker is gone, and repairs what lost keys left behind.
-- ARGV:    token and lease ms for jobs that are handed out here, recoveries after which a job is poison.
-- Reply:   { jobs recovered, 1 if there is more to do, ready jobs in inboxes, { envelopes of poison jobs } }
--          A poison job has a lease of the caller, who makes a dead letter of it.
-- Invariants: a recovery is counted apart from the attempts. At most 100 jobs per call. A job that was there
--          at few of the deaths is not their cause: where workers die for other reasons, jobs are recovered as
--          often as it takes, up to four times the poison limit.

local wrong = wrong_key(IN_FLIGHT) or wrong_key({ PAUSED, 'set', DEATHS, 'zset', WAITING, 'hash' })
if wrong then return wrong end

local token, lease, poisonous = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = now_ms()
local recovered, poison = 0, {}
local deaths_in_all

local function free(key, id)
    if key ~= '' and holder_of(key) == id then redis.call('HDEL', RUNNING, key) end
end

-- Each claimant counts once, for as long as it takes a job to die four times the poison limit.
local function note_death(job)
    redis.call('ZADD', DEATHS, int(now), job.token:sub(1, 7))
    deaths_in_all = nil
end

local function is_poison(deaths)
    if deaths < poisonous then return false end
    if deaths >= 4 * poisonous then return true end
    if not deaths_in_all then
        redis.call('ZREMRANGEBYSCORE', DEATHS, '-inf', int(now - 8 * poisonous * lease))
        deaths_in_all = redis.call('ZCARD', DEATHS)
    end
    return deaths * 3 >= deaths_in_all
end

local function recover(id, envelope)
    local job = parse(envelope)
    local list = job and READY[job.queue] or READY.default
    if is_wrong(list, 'list') then return end
    recovered = recovered + 1
    local deaths = job and tonumber(job.recoveries) + 1
    if job then
        job.recoveries = int(deaths)
        note_death(job)
    end
    if job and is_poison(deaths) then
        job.token = token
        local renewed = build(job)
        redis.call('HSET', JOBS, id, renewed)
        redis.call('ZADD', LEASES, int(now + lease), id)
        poison[#poison + 1] = renewed
        return
    end
    redis.call('HDEL', JOBS, id)
    redis.call('ZREM', LEASES, id)
    if job then
        if job.state == 'r' then
            if redis.call('ZCARD', SLOTS) > 0 then vacate(id, job.key, job.queue) end
            free(job.key, id)
            free(job.bound, id)
        end
        redis.call('RPUSH', list, queued(job))
    else
        -- Not an envelope: somebody wrote into the hash. As a payload it will be told to a person.
        redis.call('RPUSH', list, envelope)
    end
end

local function recover_expired()
    local ids = redis.call('ZRANGE', LEASES, '-inf', int(now), 'BYSCORE', 'LIMIT', 0, LIMIT.batch)
    if #ids == 0 then return 0 end
    for i, envelope in ipairs(redis.call('HMGET', JOBS, unpack(ids))) do
        if envelope then recover(ids[i], envelope) else redis.call('ZREM', LEASES, ids[i]) end
    end
    return #ids
end

local function recover_without_lease(count)
    local ids = redis.call('HRANDFIELD', JOBS, count)
    if #ids == 0 then return end
    for i, deadline in ipairs(redis.call('ZMSCORE', LEASES, unpack(ids))) do
        if not deadline then recover(ids[i], redis.call('HGET', JOBS, ids[i])) end
    end
end

-- A lock whose job is gone.
local function free_orphaned_locks()
    local locks = redis.call('HRANDFIELD', RUNNING, 20, 'WITHVALUES')
    for i = 1, #locks, 2 do
        if redis.call('HEXISTS', JOBS, locks[i + 1]:match('^%S+')) == 0 then
            redis.call('HDEL', RUNNING, locks[i])
            release(locks[i], 1)
        end
    end
end

-- Jobs that wait for something that does not hold any more, for instance a pause that an operator removed by
-- hand.
local function release_forgotten()
    local budget = LIMIT.batch
    for _, wait in ipairs(redis.call('HRANDFIELD', COUNTS, 20)) do
        local what, name = shared(wait)
        if what == 'pause' then
            if redis.call('SISMEMBER', PAUSED, name) == 0 and budget > 0 then
                budget = budget - release(wait, budget)
            end
        elseif what == 'cap' then
            local cap = cap_of(name)
            local free = cap and math.max(0, cap - used(name)) or budget
            if free > 0 and budget > 0 then budget = budget - release(wait, math.min(free, budget)) end
        elseif redis.call('HEXISTS', RUNNING, wait) == 0 then
            release(wait, 1)
        end
    end
end

-- A slot under a cap whose job is gone.
local function free_orphaned_slots()
    for _, member in ipairs(redis.call('ZRANDMEMBER', SLOTS, 20)) do
        if redis.call('HEXISTS', JOBS, member:match('[^\30]*$')) == 0 then redis.call('ZREM', SLOTS, member) end
    end
end

-- The mark of a sorted job that is not where it says.
local function forget_stale_marks()
    local marks = redis.call('HRANDFIELD', WAITING, 20, 'WITHVALUES')
    for i = 1, #marks, 2 do
        local queue, lane, position = marks[i + 1]:match('^(%a+) (.*)\30(%w+)$')
        if not queue or not LANES[queue] or is_wrong(LANES[queue], 'zset')
            or not at(queue, lane, position) then
            redis.call('HDEL', WAITING, marks[i])
        end
    end
end

local expired = recover_expired()
if expired < LIMIT.batch and redis.call('HLEN', JOBS) > redis.call('ZCARD', LEASES) then
    recover_without_lease(LIMIT.batch - expired)
end
if redis.call('HLEN', RUNNING) > 0 then free_orphaned_locks() end
if redis.call('ZCARD', SLOTS) > 0 then free_orphaned_slots() end
if redis.call('HLEN', WAITING) > 0 then forget_stale_marks() end
if redis.call('HLEN', COUNTS) > 0 then release_forgotten() end
if recovered > 0 then redis.call('HINCRBY', COUNTERS, 'recovered', recovered) end

local waiting = 0
for _, key in pairs(INBOX) do
    if not is_wrong(key, 'list') then waiting = waiting + redis.call('LLEN', key) end
end
local more = expired >= LIMIT.batch or redis.call('HLEN', JOBS) > redis.call('ZCARD', LEASES)
return { recovered, more and recovered > 0 and 1 or 0, waiting, poison }
