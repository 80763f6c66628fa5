
-- Inserted below the prelude of the scripts that sort ready jobs into lanes and take from them.
--
-- A lane holds the ready jobs of one user, or of one integration whose user is not known yet, in order. Lanes
-- take turns by virtual time (start-time fair queueing, Goyal, Vin and Cheng 1996): each job that leaves a lane
-- puts the lane's next turn off by 1/weight, and a lane that was empty starts at the time of the last turn. So
-- a user's job waits for at most one job of each other user, however long their lanes are.

-- Where a job is within its lane: those given back first (the latest of them in front), then those from the
-- right end of the list, then those from its left end.
local FRONT, MIDDLE, BACK = '0', '1', '2'
local PLAIN = string.rep('-', 40)

local function lane_of(key)
    local user = names_of(key)
    return user or key
end

-- The lock key of a payload; empty when no integration can be read from it.
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

local candidate
local function next_id(prefix, first)
    candidate = (candidate or tonumber(first)) + 1
    return prefix .. string.format('%012x', candidate)
end

-- A payload as it was pushed becomes a job.
local function admit(raw, queue, now_text)
    local job = {
        attempts = '0', recoveries = '0', queue = queue, enqueued = now_text, token = '-', state = 'q',
        size = string.format('%d', #raw), key = '', bound = '', payload = raw,
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

-- The marks of a job, by which equal ones are found: its own, and those of jobs that cover it or that it covers.
-- A payload that nobody has checked yet is equal only to the very same bytes, and one that was claimed before is
-- never dropped here.
local function marks_of(job, is_raw)
    local scope = job.queue .. RS .. job.key .. RS
    if is_raw then return job.key ~= '' and redis.sha1hex(scope .. job.payload) or PLAIN, {}, {} end
    if job.state == 'b' then return PLAIN, {}, {} end
    local document, type, streams = read(job)
    if document.not_before ~= nil then return PLAIN, {}, {} end
    local kind = kind_of(document, type, streams)
    local function mark(other) return redis.sha1hex(scope .. RS .. other) end
    if type == 'incremental' then
        return mark(kind), { mark(kind_of({}, 'full', '*')), mark(kind_of({}, 'full', streams)) }, {}
    end
    if kind == kind_of({}, 'full', streams) then
        return mark(kind), {}, { mark(kind_of({}, 'incremental', streams)) }
    end
    return mark(kind), {}, {}
end

-- The sorted job of a mark: its queue, lane and member; nil when it is not there any more.
local function marked(mark)
    local place = redis.call('HGET', WAITING, mark)
    if not place then return nil end
    local queue, lane, position = place:match('^(%a+) (.*)\30(%w+)$')
    if not queue or not LANES[queue] or is_wrong(LANES[queue], 'zset') then return nil end
    local member = at(queue, lane, position)
    if member then return queue, lane, member end
    return nil
end

-- Sorts elements of a queue's list into lanes, in this order. An equal job that waits already covers a new one.
local function sort(queue, elements, place, now_text, id_prefix, id_first)
    if #elements == 0 then return end
    local batch = redis.call('HINCRBY', CLOCK, 'sorted', 1)
    local at_front = string.format('%s%012d', FRONT, 999999999999 - batch)
    local in_order = string.format('%s%012d', place, batch)
    local time = tonumber(redis.call('HGET', CLOCK, queue) or '0')
    local jobs, placed, coalesced = {}, {}, 0
    local function is_waiting(mark)
        return placed[mark] or marked(mark)
    end
    local function absorb(mark)
        local from, _, member = marked(mark)
        if placed[mark] then
            placed[mark].isAbsorbed = true
        elseif member then
            redis.call('ZREM', LANES[from], member)
            redis.call('HDEL', WAITING, mark)
        else
            return
        end
        coalesced = coalesced + 1
    end
    for i, raw in ipairs(elements) do
        local job = raw:sub(1, 3) == 'v1 ' and parse(raw)
        local is_raw = not job
        if is_raw then
            job = admit(raw, queue, now_text)
            job.id = job.id or next_id(id_prefix, id_first)
        end
        local mark, coverers, covered = marks_of(job, is_raw)
        local is_covered = mark ~= PLAIN and is_waiting(mark)
        for _, other in ipairs(coverers) do is_covered = is_covered or is_waiting(other) end
        if is_covered then
            coalesced = coalesced + 1
        else
            for _, other in ipairs(covered) do absorb(other) end
            job.mark, job.lane, job.isBack = mark, lane_of(job.key), job.state ~= 'q'
            job.position = (job.isBack and at_front or in_order) .. string.format('%03d', i)
            job.envelope = is_raw and build(job) or raw
            jobs[#jobs + 1] = job
            if mark ~= PLAIN then placed[mark] = job end
        end
    end
    local members, turns, waiting = {}, {}, {}
    for i, job in ipairs(jobs) do
        if not job.isAbsorbed then
            members[#members + 1] = '0'
            members[#members + 1] = job.lane .. RS .. job.position .. job.mark .. job.envelope
            -- Lanes that begin at one time take turns in the order in which they came, after what was given back.
            local order = job.isBack and 0 or (batch * 100 + i) % 1000000 * 1e-7
            turns[#turns + 1] = string.format('%.17g', time + order)
            turns[#turns + 1] = job.lane
            if job.mark ~= PLAIN then
                waiting[#waiting + 1] = job.mark
                waiting[#waiting + 1] = queue .. ' ' .. job.lane .. RS .. job.position
            end
        end
    end
    if #members > 0 then
        redis.call('ZADD', LANES[queue], unpack(members))
        -- A lane that has its turn already keeps it.
        redis.call('ZADD', TURNS[queue], 'NX', unpack(turns))
    end
    if #waiting > 0 then redis.call('HSET', WAITING, unpack(waiting)) end
    if coalesced > 0 then redis.call('HINCRBY', COUNTERS, 'coalesced', coalesced) end
end

local function reversed(elements)
    local result = {}
    for i = #elements, 1, -1 do result[#result + 1] = elements[i] end
    return result
end

-- Sorts a short list whole, so that its order is kept. Of a longer one it sorts `count` elements, half of them from
-- the left end: so a job that was pushed last is found at once behind a backlog of any length. Returns how many
-- were taken.
local function sort_list(list, queue, count, now_text, id_prefix, id_first)
    local length = redis.call('LLEN', list)
    if length == 0 or count <= 0 then return 0 end
    local isLong = length > LIMIT.short
    local oldest = redis.call('RPOP', list, isLong and math.ceil(count / 2) or length)
    local taken = #oldest
    sort(queue, oldest, MIDDLE, now_text, id_prefix, id_first)
    if isLong and count > 1 then
        local newest = redis.call('LPOP', list, math.floor(count / 2))
        taken = taken + #newest
        sort(queue, reversed(newest), BACK, now_text, id_prefix, id_first)
    end
    return taken
end

local function members_of(queue, lane, count)
    return redis.call('ZRANGE', LANES[queue], '[' .. lane .. RS, '(' .. lane .. US, 'BYLEX', 'LIMIT', 0, count)
end

-- The mark and the envelope of a member of a lane.
local function unpacked(member, lane)
    local mark_at = #lane + 18
    return member:sub(mark_at, mark_at + 39), member:sub(mark_at + 40)
end

-- Which lanes the next `count` jobs come from, in order: again and again the one whose turn is the earliest.
local function next_turns(lanes, count)
    local order, again, first, second = {}, {}, 1, 1
    while #order < count do
        local lane, other = lanes[first], again[second]
        if other and (not lane or other.turn < lane.turn) then
            lane, second = other, second + 1
        elseif lane then
            first = first + 1
        else
            break
        end
        order[#order + 1] = lane
        lane.share = lane.share + 1
        lane.turn = lane.turn + lane.step
        local i = #again + 1
        while i > second and again[i - 1].turn > lane.turn do
            again[i] = again[i - 1]
            i = i - 1
        end
        again[i] = lane
    end
    return order
end

local function lanes_in_turn(queue, count, has_policy)
    local heads = redis.call('ZRANGE', TURNS[queue], 0, count - 1, 'WITHSCORES')
    local lanes, names = {}, {}
    for i = 1, #heads, 2 do
        local turn = tonumber(heads[i + 1])
        lanes[#lanes + 1] = { name = heads[i], turn = turn, since = turn, step = 1, share = 0, used = 0 }
        names[#names + 1] = 'weight:user:' .. heads[i]
    end
    if has_policy and #names > 0 then
        for i, weight in ipairs(redis.call('HMGET', POLICY, unpack(names))) do
            local value = weight and tonumber(weight)
            -- Somebody's slip of the hand must not stop a lane or the queue; nan is no number of jobs.
            if value and value == value then lanes[i].step = 1 / math.min(math.max(value, 0.01), 100) end
        end
    end
    return lanes
end

-- Takes up to `count` jobs from the lanes of a queue, about `room` bytes of them, and returns their envelopes.
local function pick(queue, count, room, has_policy)
    local lanes = lanes_in_turn(queue, count, has_policy)
    if #lanes == 0 then return {} end
    local order = next_turns(lanes, count)
    local envelopes, removed, marks, bytes, clock = {}, {}, {}, 0, nil
    for _, lane in ipairs(order) do
        lane.members = lane.members or members_of(queue, lane.name, lane.share + 1)
        local member = lane.members[lane.used + 1]
        if member and bytes < room then
            local mark, envelope = unpacked(member, lane.name)
            if mark ~= PLAIN then marks[#marks + 1] = mark end
            removed[#removed + 1] = member
            envelopes[#envelopes + 1] = envelope
            bytes = bytes + #envelope
            clock = math.max(clock or 0, lane.since + lane.used * lane.step)
            lane.used = lane.used + 1
        end
    end
    local turns, empty = {}, {}
    for _, lane in ipairs(lanes) do
        if lane.members and #lane.members == lane.used then
            empty[#empty + 1] = lane.name
        elseif lane.used > 0 then
            turns[#turns + 1] = string.format('%.17g', lane.since + lane.used * lane.step)
            turns[#turns + 1] = lane.name
        end
    end
    if #removed > 0 then redis.call('ZREM', LANES[queue], unpack(removed)) end
    if #marks > 0 then redis.call('HDEL', WAITING, unpack(marks)) end
    if #empty > 0 then redis.call('ZREM', TURNS[queue], unpack(empty)) end
    if #turns > 0 then redis.call('ZADD', TURNS[queue], unpack(turns)) end
    if clock then redis.call('HSET', CLOCK, queue, string.format('%.17g', clock)) end
    return envelopes
end

-- A push wakes an idle worker; a job in a lane does not. So while lanes hold jobs, the next one is put back into the
-- list, for somebody to be woken by. It keeps its place and its lane the turn.
local function hand_over(queue)
    if redis.call('LLEN', READY[queue]) > 0 then return end
    local lane = redis.call('ZRANGE', TURNS[queue], 0, 0)[1]
    if not lane then return end
    local member = members_of(queue, lane, 1)[1]
    if not member then
        redis.call('ZREM', TURNS[queue], lane)
        return
    end
    local mark, envelope = unpacked(member, lane)
    if mark ~= PLAIN then redis.call('HDEL', WAITING, mark) end
    redis.call('ZREM', LANES[queue], member)
    local job = parse(envelope)
    if job.state == 'q' then job.state = 'n' end
    redis.call('RPUSH', READY[queue], build(job))
end
