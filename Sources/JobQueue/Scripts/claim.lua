#!lua flags=allow-oom
-- Purpose: promotes due jobs, then takes ready jobs in the order of the queues and records a lease for each.
-- ARGV:    token of the leases, lease ms, how many jobs may run, first 24 characters of new ids, number of
--          which the first one's last 12 hex digits are made, recoveries that make a suspect, how many
--          suspects may run, names of the queues…
-- Reply:   { now ms, ms of the next due job or -1, { keys of a wrong type }, { queues worth waiting for },
--            { envelope, verdict, envelope, verdict, … } }
--          verdict: run      the job holds its integration
--                   busy     another job holds it
--                   pause:…  that member of `paused` concerns it
--                   same     a job with this id and these bytes is in flight
--                   conflict a job with this id and other bytes is in flight
--                   none     no integration can be read from it, so its payload is not valid
--          The caller answers every verdict but run with park, finish or deadletter.
-- Invariants: a job leaves its list only together with its entry in jobs and leases. At most 100 jobs and
--          about 1 MiB per call. A list of the wrong type is reported and left alone. A suspect, a job that one
--          more death makes poison, waits while its worker runs another one: else the poison job among them
--          would make the rest look like poison too.

local wrong = wrong_key({ JOBS, 'hash', LEASES, 'zset', RUNNING, 'hash', DELAYED, 'zset', PAUSED, 'set' })
if wrong then return wrong end

local token, lease, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local suspicious, suspects = tonumber(ARGV[6]), tonumber(ARGV[7])
local now = now_ms()
local now_text, deadline = int(now), int(now + lease)
local problems, usable = {}, {}
for name, key in pairs(READY) do
    usable[name] = not is_wrong(key, 'list')
    if not usable[name] then problems[#problems + 1] = key end
    if is_wrong(INBOX[name], 'list') then
        usable[INBOX[name]] = false
        problems[#problems + 1] = INBOX[name]
    end
end

local function promote()
    local due = redis.call('ZRANGE', DELAYED, '-inf', int(now), 'BYSCORE', 'LIMIT', 0, LIMIT.batch)
    for _, member in ipairs(due) do
        local job = parse(member)
        local queue = job and job.queue or 'default'
        if usable[queue] then
            redis.call('LPUSH', READY[queue], member)
            redis.call('ZREM', DELAYED, member)
        end
    end
end

local function lock_key(document)
    local number = document.integration_id
    if number ~= nil then
        local is_whole = type(number) == 'number' and number % 1 == 0
        return is_whole and number >= 1 and number <= 9007199254740991 and '#' .. int(number) or ''
    end
    local user, service, account = document.user_id, document.service, document.account
    if account == nil then account = 'default' end
    if type(user) ~= 'string' or type(service) ~= 'string' or type(account) ~= 'string' then return '' end
    if user:find('%c') or service:find('%c') or account:find('%c') then return '' end
    return user .. US .. service .. US .. account
end

local candidate = tonumber(ARGV[5])
local function next_id()
    candidate = candidate + 1
    return ARGV[4] .. string.format('%012x', candidate)
end

-- A payload as it was pushed becomes a job.
local function admit(raw, queue)
    local job = {
        attempts = '0', recoveries = '0', queue = queue, enqueued = now_text,
        size = string.format('%d', #raw), key = '', payload = raw,
    }
    if #raw <= LIMIT.payload then
        local isRead, document = pcall(cjson.decode, raw)
        if isRead and type(document) == 'table' then
            job.key = lock_key(document)
            local id = document.id
            if type(id) == 'string' and #id <= 64 and id:find('^[%w._:-]+$') then job.id = id end
        end
    elseif #raw > LIMIT.kept then
        job.payload = raw:sub(1, LIMIT.payload)
    end
    return job
end

-- The members of `paused` that may concern a lock key.
local function pauses(key)
    if key:sub(1, 1) == '#' and not key:find(US, 1, true) then
        local name = 'integration:' .. key:sub(2)
        return name, name
    end
    local user, service = key:match('^([^\31]*)\31([^\31]*)\31')
    return 'user:' .. user, 'service:' .. service
end

local taken, inFlight, granted, bytes, held_back = {}, {}, 0, 0, 0
local jobsArgs, leaseArgs, runningArgs, rows = {}, {}, {}, {}
local hasPauses = redis.call('SCARD', PAUSED) > 0

-- What the lists and hashes say about a batch, in one call each.
local function facts(batch)
    local ids, keys, names = {}, {}, {}
    for i, job in ipairs(batch) do
        ids[i], keys[i] = job.id or '', job.key
        if hasPauses then
            names[i * 2 - 1], names[i * 2] = '', ''
            if job.key ~= '' then names[i * 2 - 1], names[i * 2] = pauses(job.key) end
        end
    end
    return redis.call('HMGET', JOBS, unpack(ids)), redis.call('HMGET', RUNNING, unpack(keys)), names,
        hasPauses and redis.call('SMISMEMBER', PAUSED, unpack(names)) or {}
end

local function verdict(job, flying, holder, pause)
    local other = job.id and (taken[job.id] or flying and parse(flying))
    if other then return other.payload == job.payload and 'same' or 'conflict' end
    if job.key == '' then return 'none' end
    if pause then return 'pause:' .. pause end
    if holder or inFlight[job.key] then return 'busy' end
    return 'run'
end

local function record(job, result)
    if result == 'same' or result == 'conflict' or not job.id then job.id = next_id() end
    job.token, job.bound, job.state = token, '', result == 'run' and 'r' or 'h'
    local envelope = build(job)
    taken[job.id] = job
    jobsArgs[#jobsArgs + 1] = job.id
    jobsArgs[#jobsArgs + 1] = envelope
    leaseArgs[#leaseArgs + 1] = deadline
    leaseArgs[#leaseArgs + 1] = job.id
    if result == 'run' then
        inFlight[job.key] = true
        runningArgs[#runningArgs + 1] = job.key
        runningArgs[#runningArgs + 1] = padded(job.id)
        granted = granted + 1
    end
    rows[#rows + 1] = envelope
    rows[#rows + 1] = result
    bytes = bytes + #envelope
end

-- Whether a job that could run has to wait for its turn as a suspect.
local function holds_back(job, result)
    if result ~= 'run' or tonumber(job.recoveries) < suspicious then return false end
    suspects = suspects - 1
    if suspects >= 0 then return false end
    redis.call('ZADD', DELAYED, int(now + LIMIT.turn), queued(job))
    held_back = held_back + 1
    return true
end

local function take(list, queue)
    while granted < limit and #rows < 2 * LIMIT.batch and bytes < LIMIT.reply and held_back < LIMIT.batch do
        local count = math.min(limit - granted, LIMIT.batch - #rows / 2)
        local popped = redis.call('RPOP', list, count)
        if not popped then return end
        local batch, size = {}, bytes
        for i, raw in ipairs(popped) do
            if size >= LIMIT.reply then
                -- Too much for one reply: back to where it came from, in the old order.
                for back = #popped, i, -1 do redis.call('RPUSH', list, popped[back]) end
                break
            end
            batch[i] = raw:sub(1, 3) == 'v1 ' and parse(raw) or admit(raw, queue)
            size = size + #batch[i].payload
        end
        local flying, holders, names, isPaused = facts(batch)
        for i, job in ipairs(batch) do
            local first, second = i * 2 - 1, i * 2
            local pause = isPaused[first] == 1 and names[first] or isPaused[second] == 1 and names[second]
            local result = verdict(job, flying[i], holders[i], pause)
            if not holds_back(job, result) then record(job, result) end
        end
        if #popped < count then return end
    end
end

promote()
local open = {}
for i = 8, #ARGV do
    local queue = ARGV[i]
    if READY[queue] and not (hasPauses and redis.call('SISMEMBER', PAUSED, 'queue:' .. queue) == 1) then
        if usable[INBOX[queue]] ~= false then
            take(INBOX[queue], queue)
            if usable[queue] then open[#open + 1] = queue end
        end
        if usable[queue] then take(READY[queue], queue) end
    end
end
if #jobsArgs > 0 then
    redis.call('HSET', JOBS, unpack(jobsArgs))
    redis.call('ZADD', LEASES, unpack(leaseArgs))
end
if #runningArgs > 0 then redis.call('HSET', RUNNING, unpack(runningArgs)) end

local nextDue = redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')
return { now, nextDue[2] and tonumber(nextDue[2]) or -1, problems, open, rows }
