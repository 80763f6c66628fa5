#!lua flags=allow-oom
-- Purpose: promotes due jobs, then takes ready jobs in the order of the queues, and within a queue of its
--          lanes, and records a lease for each.
-- ARGV:    token of the leases, lease ms, how many jobs may run, first 24 characters of new ids, number of
--          which the first one's last 12 hex digits are made, recoveries that make a suspect, how many
--          suspects may run, names of the queues…
-- Reply:   { now ms, ms of the next due job or -1, { keys of a wrong type }, { queues worth waiting for },
--            { envelope, verdict, envelope, verdict, … }, jobs left in the lists that are in no lane yet }
--          verdict: run       the job holds its integration
--                   again     so it does, and it was claimed before
--                   busy      another job holds it
--                   pause:…   that member of `paused` concerns it
--                   cap:…     as many jobs of that scope run as may
--                   same      a job with this id and these bytes is in flight
--                   conflict  a job with this id and other bytes is in flight
--                   cancelled nobody shall run it
--                   none      no integration can be read from it, so its payload is not valid
--          The caller answers every other verdict with park, finish or deadletter.
-- Invariants: a job leaves its list or lane only together with its entry in jobs and leases. At most 30 jobs are
--          promoted and taken and 50 sorted, about 1 MiB per call, so that no call keeps Redis for a millisecond.
--          Where everything that would be sorted would also be taken, nothing is sorted.
--          A list of the wrong type is reported and left alone.
--          A suspect, a job that one more death makes poison, waits while its worker runs another one: else
--          the poison job among them would make the rest look like poison too.

local wrong = wrong_key({
    JOBS, 'hash', LEASES, 'zset', RUNNING, 'hash', DELAYED, 'zset', PAUSED, 'set', WAITING, 'hash', CLOCK, 'hash',
    POLICY, 'hash', SLOTS, 'zset', OWNERS, 'hash', CANCELLED, 'zset', COUNTERS, 'hash',
})
if wrong then return wrong end

local token, lease, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local suspicious, suspects = tonumber(ARGV[6]), tonumber(ARGV[7])
local now = now_ms()
local now_text, deadline = int(now), int(now + lease)
local problems, usable = {}, {}
for name, key in pairs(READY) do
    usable[name] = true
    for _, pair in ipairs({ { key, 'list' }, { LANES[name], 'zset' }, { TURNS[name], 'zset' } }) do
        if is_wrong(pair[1], pair[2]) then
            usable[name] = false
            problems[#problems + 1] = pair[1]
        end
    end
    if is_wrong(INBOX[name], 'list') then
        usable[INBOX[name]] = false
        problems[#problems + 1] = INBOX[name]
    end
end

local function promote()
    local due = redis.call('ZRANGE', DELAYED, '-inf', int(now), 'BYSCORE', 'LIMIT', 0, LIMIT.claimed)
    for _, member in ipairs(due) do
        local job = parse(member)
        local queue = job and job.queue or 'default'
        if usable[queue] then
            redis.call('LPUSH', READY[queue], member)
            redis.call('ZREM', DELAYED, member)
        end
    end
end

local taken, inFlight, granted, bytes, held_back = {}, {}, 0, 0, 0
local jobsArgs, leaseArgs, runningArgs, slotArgs, rows = {}, {}, {}, {}, {}
local has_pauses = redis.call('SCARD', PAUSED) > 0
local has_policy = redis.call('HLEN', POLICY) > 0
local has_cancelled = redis.call('ZCARD', CANCELLED) > 0

-- How many more jobs of a scope may run.
local rooms = {}
local function room_of(scope)
    if not rooms[scope] then
        local cap = cap_of(scope)
        rooms[scope] = cap and { cap = true, free = cap - used(scope) } or { free = LIMIT.claimed }
    end
    return rooms[scope]
end

-- The members of `paused` that may concern a job.
local function pauses_of(key)
    local user, service = names_of(key)
    local numbered = key:sub(1, 1) == '#' and not key:find(US, 1, true) and 'integration:' .. key:sub(2) or ''
    return user and 'user:' .. user or '', service and 'service:' .. service or '', numbered
end

-- The first pause that concerns each job of a batch.
local function paused(batch)
    local names, found = {}, {}
    for i, job in ipairs(batch) do
        names[i * 3 - 2], names[i * 3 - 1], names[i * 3] = pauses_of(job.key)
    end
    for i, is_member in ipairs(redis.call('SMISMEMBER', PAUSED, unpack(names))) do
        local position = math.ceil(i / 3)
        if is_member == 1 and names[i] ~= '' then found[position] = found[position] or names[i] end
    end
    return found
end

local function full_scope(job)
    for _, scope in ipairs(scopes_of(job.key, job.queue)) do
        if room_of(scope).free <= 0 then return scope end
    end
    return nil
end

local function verdict(job, flying, holder, pause, cancelled)
    if cancelled then return 'cancelled' end
    local other = job.id and (taken[job.id] or flying and parse(flying))
    if other then return other.payload == job.payload and 'same' or 'conflict' end
    if job.key == '' then return 'none' end
    if pause then return 'pause:' .. pause end
    if holder or inFlight[job.key] then return 'busy' end
    local full = has_policy and full_scope(job)
    if full then return 'cap:' .. full end
    return 'run'
end

local function occupy(job)
    for _, scope in ipairs(scopes_of(job.key, job.queue)) do
        local room = room_of(scope)
        if room.cap then
            room.free = room.free - 1
            slotArgs[#slotArgs + 1] = 0
            slotArgs[#slotArgs + 1] = scope .. RS .. job.id
        end
    end
end

local function record(job, result)
    if result == 'same' or result == 'conflict' or not job.id then job.id = next_id(ARGV[4], ARGV[5]) end
    local was_claimed = job.state == 'b'
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
        if has_policy then occupy(job) end
        granted = granted + 1
    end
    rows[#rows + 1] = envelope
    rows[#rows + 1] = result == 'run' and was_claimed and 'again' or result
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

local function place(batch)
    if #batch == 0 then return end
    local ids, keys = {}, {}
    for i, job in ipairs(batch) do ids[i], keys[i] = job.id or '', job.key end
    local flying, holders = redis.call('HMGET', JOBS, unpack(ids)), redis.call('HMGET', RUNNING, unpack(keys))
    local pauses = has_pauses and paused(batch) or {}
    local cancelled = has_cancelled and redis.call('ZMSCORE', CANCELLED, unpack(ids)) or {}
    for i, job in ipairs(batch) do
        local result = verdict(job, flying[i], holders[i], pauses[i], cancelled[i])
        if not holds_back(job, result) then record(job, result) end
    end
end

local function is_full()
    return granted >= limit or #rows >= 2 * LIMIT.claimed or bytes >= LIMIT.reply or held_back >= LIMIT.claimed
end

-- How many more jobs this call may take from a queue.
local function wanted(queue)
    local count = math.min(limit - granted, LIMIT.claimed - #rows / 2)
    if not has_policy then return count end
    local room = room_of('queue:' .. queue)
    return room.cap and math.min(count, room.free) or count
end

-- Takes jobs from a list: its oldest ones in their order, or half of them from the left end of a very long one.
local function take_from(list, queue, is_from_both)
    local count = wanted(queue)
    local newest = is_from_both and math.floor(count / 2) or 0
    local popped = redis.call('RPOP', list, count - newest)
    if not popped then return end
    local oldest = #popped
    if newest > 0 then
        for _, raw in ipairs(reversed(redis.call('LPOP', list, newest) or {})) do popped[#popped + 1] = raw end
    end
    local batch, size = {}, bytes
    for i, raw in ipairs(popped) do
        if size >= LIMIT.reply then
            -- Too much for one reply: back to where it came from, in the old order.
            for back = oldest, i, -1 do redis.call('RPUSH', list, popped[back]) end
            for back = math.max(i, oldest + 1), #popped do redis.call('LPUSH', list, popped[back]) end
            break
        end
        batch[i] = raw:sub(1, 3) == 'v1 ' and parse(raw) or admit(raw, queue, now_text)
        size = size + #batch[i].payload
    end
    place(batch)
end

local to_sort = math.max(LIMIT.least, math.min(limit, LIMIT.claimed))
local function take(queue)
    -- What is in the inbox was pushed while workers were idle, and at most one job for each of them.
    if usable[INBOX[queue]] ~= false then take_from(INBOX[queue], queue) end
    if not usable[queue] or is_full() or wanted(queue) <= 0 then return end
    local length, count = redis.call('LLEN', READY[queue]), wanted(queue)
    -- Without lanes, sorting as many jobs as are taken would take the same ones.
    local takes_all = length <= count or length > LIMIT.short and count >= LIMIT.least
    if takes_all and redis.call('ZCARD', TURNS[queue]) == 0 then
        if length > 0 then take_from(READY[queue], queue, length > LIMIT.batch) end
        return
    end
    to_sort = to_sort - sort_list(READY[queue], queue, to_sort, now_text, ARGV[4], ARGV[5])
    -- A lane may hold less than its turns; then others get them.
    for _ = 1, 3 do
        local count = wanted(queue)
        if count <= 0 or is_full() then return end
        local batch = pick(queue, count, LIMIT.reply - bytes, has_policy)
        if #batch == 0 then return end
        for i, envelope in ipairs(batch) do batch[i] = parse(envelope) end
        place(batch)
    end
end

promote()
local open, unsorted = {}, 0
for i = 8, #ARGV do
    local queue = ARGV[i]
    if READY[queue] and not (has_pauses and redis.call('SISMEMBER', PAUSED, 'queue:' .. queue) == 1)
        and (usable[queue] or usable[INBOX[queue]] ~= false) then
        if not is_full() and wanted(queue) > 0 then take(queue) end
        if usable[queue] and usable[INBOX[queue]] ~= false and not (has_policy and room_of('queue:' .. queue).free <= 0) then
            open[#open + 1] = queue
            hand_over(queue)
            unsorted = unsorted + redis.call('LLEN', READY[queue])
        end
    end
end
if #jobsArgs > 0 then
    redis.call('HSET', JOBS, unpack(jobsArgs))
    redis.call('ZADD', LEASES, unpack(leaseArgs))
end
if #runningArgs > 0 then redis.call('HSET', RUNNING, unpack(runningArgs)) end
if #slotArgs > 0 then redis.call('ZADD', SLOTS, unpack(slotArgs)) end

local nextDue = redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')
return { now, nextDue[2] and tonumber(nextDue[2]) or -1, problems, open, rows, unsorted }
