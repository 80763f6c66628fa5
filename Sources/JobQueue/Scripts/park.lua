#!lua flags=allow-oom
-- Purpose: puts jobs aside that may not run now, without a worker slot. The caller has validated their
--          payloads.
-- ARGV:    id, token, wait key for each job (at most 100). An empty wait key is the job's own lock key.
-- Reply:   { for each job: parked, coalesced, ready or lost }
--          coalesced: a parked job will do the same, or a running one that began after this one was enqueued does,
--                     or a parked full sync covers it
--          ready:     nothing stands in the way any more; the job is the next one to be taken from its list
-- Invariants: a job is parked only while what it waits for holds, so that its end releases the job.
--          A job covers another one only if its work still lies ahead. One whose worker was lost may have done it,
--          without Redis knowing: it covers none.

local wrong = wrong_key(IN_FLIGHT) or wrong_key({ PAUSED, 'set' })
if wrong then return wrong end

-- The field of KINDS for a kind that waits for `wait`. What waits for a pause or a cap may be of any integration.
local function field_of(wait, job, kind)
    local scope = shared(wait) and job.key .. RS or ''
    return wait .. RS .. redis.sha1hex(scope .. kind)
end

-- Whether what the job waits for still stands in its way, and the job that holds it.
local function obstacle(wait, id)
    local what, name = shared(wait)
    if what == 'pause' then return redis.call('SISMEMBER', PAUSED, name) == 1 end
    if what == 'cap' then
        local cap = cap_of(name)
        return cap ~= nil and used(name) >= cap
    end
    local holder = holder_of(wait)
    if not holder or holder == id then return false end
    local envelope = redis.call('HGET', JOBS, holder)
    return true, envelope and parse(envelope)
end

local function is_covered(job, wait, holder)
    local document, type, streams = read(job)
    local kind = kind_of(document, type, streams)
    -- What began after both were enqueued reads whatever this job was enqueued for.
    if holder and tonumber(job.enqueued) <= tonumber(holder.enqueued) and kind_of(read(holder)) == kind then
        return true
    end
    if redis.call('HEXISTS', KINDS, field_of(wait, job, kind)) == 1 then return true end
    if type ~= 'incremental' then return false end
    return redis.call('HEXISTS', KINDS, field_of(wait, job, kind_of({}, 'full', '*'))) == 1
        or redis.call('HEXISTS', KINDS, field_of(wait, job, kind_of({}, 'full', streams))) == 1
end

-- Takes a parked incremental job away that a full one is about to cover.
local function absorb(job, wait, streams)
    local field = field_of(wait, job, kind_of({}, 'incremental', streams))
    local member = redis.call('HGET', KINDS, field)
    if not member then return 0 end
    redis.call('HDEL', KINDS, field)
    redis.call('HDEL', PARKED, member)
    redis.call('ZREM', ORDER, member)
    redis.call('HINCRBY', COUNTS, wait, -1)
    return 1
end

local time = redis.call('TIME')
local function put_aside(job, wait, position)
    local document, type, streams = read(job)
    local kind = kind_of(document, type, streams)
    local absorbed = 0
    if job.recoveries ~= '0' then
        kind = kind .. RS .. job.id
    elseif kind == kind_of({}, 'full', streams) then
        absorbed = absorb(job, wait, streams)
    end
    local field = field_of(wait, job, kind)
    local sequence = string.format('%010d%06d%03d', tonumber(time[1]), tonumber(time[2]), position)
    local member = wait .. RS .. sequence .. RS .. field:sub(-40)
    redis.call('ZADD', ORDER, 0, member)
    redis.call('HSET', PARKED, member, queued(job))
    redis.call('HSET', KINDS, field, member)
    redis.call('HINCRBY', COUNTS, wait, 1)
    return absorbed
end

local results, coalesced = {}, 0
for i = 1, #ARGV, 3 do
    local job = held(ARGV[i], ARGV[i + 1])
    local result = 'lost'
    if job then
        local wait = ARGV[i + 2] ~= '' and ARGV[i + 2] or job.key
        local stands, holder = obstacle(wait, job.id)
        leave(job)
        if not stands and not is_wrong(READY[job.queue], 'list') then
            redis.call('RPUSH', READY[job.queue], queued(job))
            result = 'ready'
        elseif is_covered(job, wait, holder) then
            coalesced = coalesced + 1
            result = 'coalesced'
        else
            coalesced = coalesced + put_aside(job, wait, #results)
            result = 'parked'
        end
    end
    results[#results + 1] = result
end
if coalesced > 0 then redis.call('HINCRBY', COUNTERS, 'coalesced', coalesced) end
return results
