#!lua flags=allow-oom
-- Purpose: counts what is where, in one instant. Changes nothing.
-- ARGV:    none
-- Reply:   { now ms, { keys of a wrong type },
--            { for high, default and low: { jobs in the list, in the inbox, in lanes, delayed jobs that are due,
--              ms since which its oldest job is ready, or -1 } },
--            jobs in flight, delayed, parked, parked for a pause, parked for a cap, dead letters, workers,
--            workers with a heartbeat within the last half minute }
--          A number is -1 when its key has the wrong type.
-- Invariants: reads at most 100 delayed jobs and 36 ready ones. Of more jobs that are due it tells in proportion to
--          the queues of the first 100. The oldest job is looked for at the ends of the lists and at the heads of the next
--          ten lanes; a payload that nobody has looked at yet does not tell when it was pushed.

local now, wrong = now_ms(), {}

local function size(command, key, kind)
    if is_wrong(key, kind) then
        wrong[#wrong + 1] = key
        return -1
    end
    return redis.call(command, key)
end

local delayed = size('ZCARD', DELAYED, 'zset')

local function due_by_queue()
    local due = { high = 0, default = 0, low = 0 }
    if delayed <= 0 then return due end
    local total = redis.call('ZCOUNT', DELAYED, '-inf', int(now))
    if total == 0 then return due end
    local first = redis.call('ZRANGE', DELAYED, '-inf', int(now), 'BYSCORE', 'LIMIT', 0, LIMIT.batch)
    for _, member in ipairs(first) do
        local job = parse(member)
        local queue = job and job.queue or 'default'
        due[queue] = due[queue] + 1
    end
    for queue, count in pairs(due) do due[queue] = math.floor(count * total / #first + 0.5) end
    return due
end

local function ready_since(queue, list, inbox, sorted)
    local oldest
    local function look(envelope)
        local job = envelope and parse(envelope)
        if job then oldest = math.min(oldest or now, tonumber(job.enqueued)) end
    end
    if list > 0 then look(redis.call('LINDEX', READY[queue], -1)) end
    if inbox > 0 then look(redis.call('LINDEX', INBOX[queue], -1)) end
    if sorted > 0 and not is_wrong(TURNS[queue], 'zset') then
        for _, lane in ipairs(redis.call('ZRANGE', TURNS[queue], 0, 9)) do
            local member = members_of(queue, lane, 1)[1]
            if member then
                local _, envelope = unpacked(member, lane)
                look(envelope)
            end
        end
    end
    return oldest and now - oldest or -1
end

local due, queues = due_by_queue(), {}
for i, queue in ipairs({ 'high', 'default', 'low' }) do
    local list, inbox = size('LLEN', READY[queue], 'list'), size('LLEN', INBOX[queue], 'list')
    local sorted = size('ZCARD', LANES[queue], 'zset')
    queues[i] = { list, inbox, sorted, due[queue], ready_since(queue, list, inbox, sorted) }
end

local parked, for_pause, for_cap = size('HLEN', PARKED, 'hash'), -1, -1
if not is_wrong(ORDER, 'zset') then
    for_pause = redis.call('ZLEXCOUNT', ORDER, '[pause:', '(pause;')
    for_cap = redis.call('ZLEXCOUNT', ORDER, '[cap:', '(cap;')
end
local in_flight, dead = size('HLEN', JOBS, 'hash'), size('LLEN', DEAD, 'list')
local workers, living = size('ZCARD', WORKERS, 'zset'), -1
if workers >= 0 then living = redis.call('ZCOUNT', WORKERS, int(now - 30000), '+inf') end
return { now, wrong, queues, in_flight, delayed, parked, for_pause, for_cap, dead, workers, living }
