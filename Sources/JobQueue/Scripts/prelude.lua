-- Inserted below the first line of every script: the names of the keys, and what several scripts do.
--
-- KEYS, the same for every script:
--   1-3  queue:high|default|low   lists    ready jobs: payloads as pushed, or envelopes
--   4-6  inbox:high|default|low   lists    ready jobs that a wake-up moved
--   7    jobs                     hash     id -> envelope, jobs in flight
--   8    leases                   zset     id -> deadline, ms
--   9    running                  hash     lock key -> id of the job that holds the integration, padded
--   10   delayed                  zset     envelope -> due, ms
--   11   paused                   set      queue:…, service:…, user:…, integration:…
--   12   dead                     list     dead letters, newest first
--   13   parked:order             zset     wait key RS sequence RS kind, in lexical order
--   14   parked:jobs              hash     member of parked:order -> envelope
--   15   parked:kinds             hash     wait key RS kind -> member of parked:order
--   16   parked:counts            hash     wait key -> number of parked jobs
--   17   counters                 hash     coalesced, recovered, …
--   18   workers                  zset     worker id -> last heartbeat, ms
--   19   deaths                   zset     claimant that lost jobs -> last time, ms
--   20-22 lanes:high|default|low  zsets    sorted ready jobs in lexical order: lane RS position mark envelope
--   23-25 turns:high|default|low  zsets    lane -> virtual time of its next job
--   26   waiting                  hash     mark of a sorted job -> its queue, lane and position
--   27   clock                    hash     queue -> virtual time; sorted: number of the last batch
--   28   policy                   hash     weight:user:… -> weight; cap:user|service|queue:… -> running jobs
--   29   slots                    zset     running jobs under a cap: scope RS id, in lexical order
--   30   owners                   hash     integration id -> user US service
--   31   cancelled                zset     id of a job that nobody shall run -> ms of the request
--
-- Envelope: v1 <token> <state> <id> <attempts> <recoveries> <queue> <enqueued ms> <size>
--           <bytes of lock key> <bytes of bound key> LF
--           <lock key><bound key><payload bytes as they came>
--   state r: in flight and holding its locks; h: in flight without locks; q: never claimed; n: never claimed,
--   and taken from the front of its lane for a worker to be woken by; b: claimed before and given back. n and b
--   go to the front of their lanes. q, n and b are not in flight, their token is "-".
--   enqueued is when the job was enqueued or first seen; of one that was enqueued for later, when it is due.
--   size is that of the original payload; a larger one than LIMIT.kept was cut.
-- Lock key: user US service US account, or #<integration id>. Wait key: a lock key, pause:<member of paused>,
-- or cap:<scope>. Scope: user:…, service:… or queue:….
-- RS and US are the ASCII separators 30 and 31; names that contain control characters get no lock key.

local RS, US = '\30', '\31'
local READY = { high = KEYS[1], default = KEYS[2], low = KEYS[3] }
local INBOX = { high = KEYS[4], default = KEYS[5], low = KEYS[6] }
local JOBS, LEASES, RUNNING, DELAYED, PAUSED = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local DEAD, ORDER, PARKED, KINDS, COUNTS = KEYS[12], KEYS[13], KEYS[14], KEYS[15], KEYS[16]
local COUNTERS, WORKERS, DEATHS = KEYS[17], KEYS[18], KEYS[19]
local LANES = { high = KEYS[20], default = KEYS[21], low = KEYS[22] }
local TURNS = { high = KEYS[23], default = KEYS[24], low = KEYS[25] }
local WAITING, CLOCK, POLICY, SLOTS, OWNERS = KEYS[26], KEYS[27], KEYS[28], KEYS[29], KEYS[30]
local CANCELLED = KEYS[31]

local LIMIT = { batch = 100, claimed = 30, sorted = 25, least = 10, short = 50, payload = 65536, kept = 4194304, reply = 1048576, turn = 500 }

local function now_ms()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Numbers in text, never as 1.7e+12.
local function int(value)
    return string.format('%.0f', value)
end

local function is_wrong(key, kind)
    local found = redis.call('TYPE', key).ok
    return found ~= kind and found ~= 'none'
end

-- The error reply for the first of `kinds` (key, type, key, type, …) that is something else, or nil.
-- Every script asks before its first write, as an error in the middle would keep the writes before it.
local function wrong_key(kinds)
    for i = 1, #kinds, 2 do
        if is_wrong(kinds[i], kinds[i + 1]) then
            return redis.error_reply('WRONGKEY ' .. kinds[i] .. ' is not a ' .. kinds[i + 1])
        end
    end
    return nil
end

local IN_FLIGHT = {
    JOBS, 'hash', LEASES, 'zset', RUNNING, 'hash', ORDER, 'zset', PARKED, 'hash', KINDS, 'hash',
    COUNTS, 'hash', COUNTERS, 'hash', POLICY, 'hash', SLOTS, 'zset', OWNERS, 'hash',
}

-- The parts of an envelope; nil for anything else, which is a payload then.
local function parse(envelope)
    local token, state, id, attempts, recoveries, queue, enqueued, size, key_bytes, bound_bytes, body =
        envelope:match('^v1 (%S+) (%a) (%S+) (%d+) (%d+) (%a+) (%d+) (%d+) (%d+) (%d+)\n()')
    if not token or not READY[queue] then return nil end
    local bound_at = body + tonumber(key_bytes)
    local payload_at = bound_at + tonumber(bound_bytes)
    local length = #envelope - payload_at + 1
    if length < 0 or tonumber(size) ~= length and tonumber(size) <= LIMIT.kept then return nil end
    return {
        token = token, state = state, id = id, attempts = attempts, recoveries = recoveries,
        queue = queue, enqueued = enqueued, size = size, key = envelope:sub(body, bound_at - 1),
        bound = envelope:sub(bound_at, payload_at - 1), payload = envelope:sub(payload_at),
    }
end

-- Numbers are kept as text from envelope to envelope.
local function build(job)
    local key, bound = job.key, job.bound
    return 'v1 ' .. job.token .. ' ' .. job.state .. ' ' .. job.id .. ' ' .. job.attempts .. ' '
        .. job.recoveries .. ' ' .. job.queue .. ' ' .. job.enqueued .. ' ' .. job.size
        .. string.format(' %d %d\n', #key, #bound) .. key .. bound .. job.payload
end

-- Redis keeps a hash of short values as a list, which it searches from the start; 65 bytes are not short.
local function padded(id)
    return string.format('%-65s', id)
end

-- The id of the job that holds a lock, or nil.
local function holder_of(key)
    local id = redis.call('HGET', RUNNING, key)
    return id and id:match('^%S+')
end

-- The envelope of a job that was in flight and is not any more.
local function queued(job)
    job.token, job.state, job.bound = '-', 'b', ''
    return build(job)
end

-- The sorted job at a position of a lane, or nil.
local function at(queue, lane, position)
    local from = lane .. RS .. position
    return redis.call('ZRANGE', LANES[queue], '[' .. from, '(' .. from .. '~', 'BYLEX', 'LIMIT', 0, 1)[1]
end

-- Splits a wait key that is no lock key into `pause` or `cap` and what it names; nil for a lock key, whose user
-- may have any name.
local function shared(wait)
    if wait:find(US, 1, true) then return nil end
    local what, name = wait:match('^(%a+):(.*)$')
    if what == 'pause' or what == 'cap' then return what, name end
    return nil
end

-- The user and the service of a lock key; nil where only the number of the integration is known.
local function names_of(key)
    if key:sub(1, 1) == '#' and not key:find(US, 1, true) then
        local owner = redis.call('HGET', OWNERS, key:sub(2))
        if not owner then return nil, nil end
        return owner:match('^([^\31]*)\31(.*)$')
    end
    return key:match('^([^\31]*)\31([^\31]*)\31')
end

-- The scopes under which a job may be capped.
local function scopes_of(key, queue)
    local user, service = names_of(key)
    if not user then return { 'queue:' .. queue } end
    return { 'user:' .. user, 'service:' .. service, 'queue:' .. queue }
end

-- How many jobs of a scope may run at once, or nil.
local function cap_of(scope)
    local cap = redis.call('HGET', POLICY, 'cap:' .. scope)
        or redis.call('HGET', POLICY, 'cap:' .. scope:match('^%a+') .. ':*')
    return cap and tonumber(cap)
end

local function used(scope)
    return redis.call('ZLEXCOUNT', SLOTS, '[' .. scope .. RS, '(' .. scope .. US)
end

-- What a job does, apart from its integration. Two jobs of one kind do the same.
local function kind_of(document, type, streams)
    local since, until_, ref = tostring(document.since), tostring(document.until_), tostring(document.ref)
    return table.concat({ type, streams, since, until_, ref }, RS)
end

local function streams_of(document)
    if type(document.streams) ~= 'table' then return '*' end
    local names = {}
    for i, name in ipairs(document.streams) do names[i] = tostring(name) end
    table.sort(names)
    return table.concat(names, US)
end

local function read(job)
    local isRead, document = pcall(cjson.decode, job.payload)
    if not isRead or type(document) ~= 'table' then document = {} end
    document.until_ = document['until']
    return document, tostring(document.type), streams_of(document)
end

-- The job in flight under this id, if this token holds its lease.
local function held(id, token)
    local envelope = redis.call('HGET', JOBS, id)
    local job = envelope and parse(envelope)
    return job and job.token == token and job or nil
end

-- Moves up to `count` parked jobs of a wait key to the end of their lists from which jobs are taken.
-- A job whose list is of the wrong type stays parked.
local function release(wait, count)
    local members = redis.call(
        'ZRANGEBYLEX', ORDER, '[' .. wait .. RS, '(' .. wait .. US, 'LIMIT', 0, count)
    local released = 0
    for i = #members, 1, -1 do
        local member = members[i]
        local envelope = redis.call('HGET', PARKED, member)
        local job = envelope and parse(envelope)
        if not job or not is_wrong(READY[job.queue], 'list') then
            if envelope then redis.call('RPUSH', job and READY[job.queue] or READY.default, envelope) end
            redis.call('HDEL', PARKED, member)
            redis.call('ZREM', ORDER, member)
            redis.call('HDEL', KINDS, wait .. RS .. member:sub(-40))
            released = released + 1
        end
    end
    -- Nothing to subtract is not -0, which Redis takes for no number.
    if #members == 0 or released > 0 and redis.call('HINCRBY', COUNTS, wait, -released) <= 0 then
        redis.call('HDEL', COUNTS, wait)
    end
    return released
end

-- Frees the slots that a job used under caps, and starts what waited for them.
local function vacate(id, key, queue)
    for _, scope in ipairs(scopes_of(key, queue)) do
        if redis.call('ZREM', SLOTS, scope .. RS .. id) == 1
            and redis.call('HEXISTS', COUNTS, 'cap:' .. scope) == 1 then
            release('cap:' .. scope, 1)
        end
    end
end

-- Ends a job's flight: its entries go, its locks are free, and what waited for them may start. `job` may have
-- been claimed without locks; if then nobody holds its integration, the next one must not be left waiting
-- either.
local function leave(job)
    redis.call('HDEL', JOBS, job.id)
    redis.call('ZREM', LEASES, job.id)
    if job.state == 'r' and redis.call('ZCARD', SLOTS) > 0 then vacate(job.id, job.key, job.queue) end
    local keys = { job.key, job.bound }
    for _, key in ipairs(keys) do
        if key ~= '' then
            if job.state == 'r' then redis.call('HDEL', RUNNING, key) end
            if redis.call('HEXISTS', COUNTS, key) == 1
                and (job.state == 'r' or redis.call('HEXISTS', RUNNING, key) == 0) then
                release(key, 1)
            end
        end
    end
end
