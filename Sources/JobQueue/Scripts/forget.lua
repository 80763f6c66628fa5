#!lua flags=allow-oom
-- Purpose: removes what one integration has in one place: waiting jobs and dead letters. Jobs in flight are cancelled.
-- ARGV:    place (list, delayed, lanes, parked, flight or dead), queue (for list, inbox and lanes), position to begin at,
--          lock key by name, lock key by number, user, service
-- Reply:   { removed, position to go on with, or -1 at the end }
-- Invariants: looks at most at 100 elements, about 1 MiB of them. A job leaves together with all that leads to it.

local place, queue, from = ARGV[1], ARGV[2], tonumber(ARGV[3])
local name, number = ARGV[4], ARGV[5]
local LISTS = { list = READY[queue], inbox = INBOX[queue], dead = DEAD }
local SORTED = { delayed = DELAYED, lanes = LANES[queue], parked = ORDER, flight = LEASES }

local wrong = wrong_key({
    LISTS[place] or SORTED[place], LISTS[place] and 'list' or 'zset', JOBS, 'hash', PARKED, 'hash', KINDS, 'hash',
    COUNTS, 'hash', WAITING, 'hash', OWNERS, 'hash', CANCELLED, 'zset', PAUSED, 'set',
})
if wrong then return wrong end
if place == 'lanes' then wrong = wrong_key({ TURNS[queue], 'zset' }) end
if wrong then return wrong end

local function names_it(document)
    if type(document) ~= 'table' then return false end
    local key = lock_key(document)
    return key == name or key == number
end

local function concerns(raw)
    local job = raw:sub(1, 3) == 'v1 ' and parse(raw)
    if job and (job.key == name or job.key == number or job.bound == number) then return true end
    local isRead, document = pcall(cjson.decode, job and job.payload or raw)
    return isRead and names_it(document)
end

-- A letter whose payload is no job is about the integration when it holds the names as whole texts.
local function letter_concerns(letter)
    local isRead, document = pcall(cjson.decode, letter)
    if not isRead or type(document) ~= 'table' then return false end
    if names_it(document.payload) then return true end
    if type(document.payload) == 'table' and lock_key(document.payload) ~= '' then return false end
    local function holds(text)
        return letter:find('"' .. text .. '"', 1, true) or letter:find('\\"' .. text .. '\\"', 1, true)
    end
    return holds(ARGV[6]) and holds(ARGV[7])
end

local remove = {}
function remove.delayed(member)
    if not concerns(member) then return false end
    redis.call('ZREM', DELAYED, member)
    return true
end
function remove.lanes(member)
    local lane = member:match('^([^\30]*)\30')
    local mark, envelope = unpacked(member, lane)
    if not concerns(envelope) then return false end
    redis.call('ZREM', LANES[queue], member)
    if mark ~= PLAIN then redis.call('HDEL', WAITING, mark) end
    if #members_of(queue, lane, 1) == 0 then redis.call('ZREM', TURNS[queue], lane) end
    return true
end
function remove.parked(member)
    local envelope = redis.call('HGET', PARKED, member)
    -- Behind the wait key: RS, 19 digits, RS, 40 digits.
    local wait = member:sub(1, #member - 61)
    if not (wait == name or wait == number or envelope and concerns(envelope)) then return false end
    redis.call('HDEL', PARKED, member)
    redis.call('ZREM', ORDER, member)
    redis.call('HDEL', KINDS, wait .. RS .. member:sub(-40))
    if redis.call('HINCRBY', COUNTS, wait, -1) <= 0 then redis.call('HDEL', COUNTS, wait) end
    return true
end
function remove.flight(id)
    local envelope = redis.call('HGET', JOBS, id)
    if envelope and concerns(envelope) then redis.call('ZADD', CANCELLED, int(now_ms()), id) end
    return false
end

local elements = LISTS[place] and redis.call('LRANGE', LISTS[place], from, from + LIMIT.batch - 1)
    or redis.call('ZRANGE', SORTED[place], from, from + LIMIT.batch - 1)
local seen, removed, bytes = 0, 0, 0
for _, element in ipairs(elements) do
    if bytes > LIMIT.reply then break end
    bytes = bytes + #element
    seen = seen + 1
    if remove[place] then
        if remove[place](element) then removed = removed + 1 end
    elseif place == 'dead' and letter_concerns(element) or place ~= 'dead' and concerns(element) then
        removed = removed + redis.call('LREM', LISTS[place], 1, element)
    end
end
if place == 'flight' then
    redis.call('HDEL', OWNERS, number:sub(2))
    redis.call('SREM', PAUSED, 'integration:' .. number:sub(2))
end
return { removed, seen == 0 and -1 or from + seen - removed }
