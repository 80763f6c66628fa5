#!lua
-- Purpose: takes what one request needs from all its limits at once, or nothing, and says how long to wait.
-- ARGV:    1 if the request is urgent; longest wait in place, µs; permit; how long a permit of a concurrency counts
--          without a release, µs; ticket of an earlier call or 0; then for each key from the third on, three words:
--            r, µs per unit, units of burst, cost     a rate (four words)
--            c, most at a time, 0, 0                  a concurrency
--          µs per unit and the burst may have fractions.
-- Reply:   { granted, reason-less fields… } as { word, wait µs, position of the key that decides, ticket, flag }
--            granted  flag 1: this request is the breaker's probe; 2: the breaker counts outcomes now. Else 0.
--            wait     ask again after this wait with the ticket; it keeps the place in the line
--            later    the wait is too long for waiting in place
--          position: 1 breaker open, 2 and up: that key.
-- Invariants: in any time of length W at most W / (µs per unit) + burst units are granted. A request that is not granted
--          takes nothing. Refused whole when Redis is full.

local urgent, longest, permit, lifetime = ARGV[1] == '1', tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local ticket = tonumber(ARGV[5])

-- Everything is read before anything is written, so that a key of a wrong type changes nothing.
local breaker_text, wrong = get(KEYS[1])
local gate_text, wrong_gate = get(KEYS[2])
wrong = wrong or wrong_gate
local limits = {}
for position = 3, #KEYS do
    local at = 6 + (position - 3) * 4
    local limit = { key = KEYS[position], position = position, step = tonumber(ARGV[at + 1]) }
    if ARGV[at] == 'c' then
        limit.count = redis.pcall('ZCARD', limit.key)
        if type(limit.count) == 'table' then wrong = wrong or wrong_key(limit.key, 'zset') end
    else
        limit.burst, limit.cost = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
        local text, wrong_rate = get(limit.key)
        wrong = wrong or wrong_rate
        limit.state = parse_state(text)
    end
    limits[position - 2] = limit
end
if wrong then return wrong end

local now = now_us()
local wait, decides, flag = 0, 0, 0
local function ask(for_, position)
    if for_ > wait then wait, decides = for_, position end
end

-- A place in the line that has not come yet.
local isInLine = ticket > 0
if isInLine and ticket > now then ask(ticket - now, 2) end

local breaker = parse_breaker(breaker_text)
if breaker then
    flag = 2
    if breaker.state == 1 then
        flag = 1
        if breaker.until_ > now then
            ask(breaker.until_ - now, 1)
        elseif breaker.probe > now then
            ask(math.min(breaker.probe - now, 1000000), 1)
        end
    end
end

-- What the provider itself said: no more until then, or nothing left until then.
local function refused(state, cost)
    local until_ = state.blocked > now and state.blocked or 0
    if state.reset > now and state.left >= 0 and state.left < cost then until_ = math.max(until_, state.reset) end
    return until_ > 0 and until_ - now or 0
end

local gate = gate_text and parse_state(gate_text)
if gate then ask(refused(gate, 1), 2) end

for _, limit in ipairs(limits) do
    local state = limit.state
    if not state then
        local most = limit.step
        -- Some room is kept for what a person waits for.
        if not urgent and most >= 4 then most = most - math.ceil(most / 10) end
        if limit.count >= most then
            -- Some of these may be of workers that died.
            redis.call('ZREMRANGEBYSCORE', limit.key, '-inf', int(now))
            -- Nobody can say when a permit comes back; the wait is a guess.
            if redis.call('ZCARD', limit.key) >= most then ask(urgent and 10000 or 40000, limit.position) end
        end
    else
        limit.step = limit.step / share(state, now)
        local hard = math.max(state.tat, now) + (limit.cost - limit.burst) * limit.step - now
        hard = math.max(hard, refused(state, limit.cost))
        if not urgent and state.urgent > now then hard = math.max(hard, state.urgent - now) end
        limit.hard = hard
        ask(hard, limit.position)
        if not urgent and not isInLine then ask(state.promised - now, limit.position) end
    end
end

if wait > 0 then
    local isShort = wait <= longest
    if isShort and decides >= 3 then
        for _, limit in ipairs(limits) do
            local state = limit.state
            if state and urgent and limit.hard > 0 then
                -- The next unit is theirs; a little longer, for the way back.
                state.urgent = now + wait + 50000
                write_state(limit.key, state, now)
            elseif state and not urgent and not isInLine then
                state.promised = now + wait + limit.cost * limit.step
                write_state(limit.key, state, now)
            end
        end
    end
    return { isShort and 'wait' or 'later', math.ceil(wait), decides, isShort and int(now + wait) or '0', 0 }
end

if gate and gate.reset > now and gate.left >= 0 then
    gate.left = gate.left - 1
    write_state(KEYS[2], gate, now)
end
for _, limit in ipairs(limits) do
    local state = limit.state
    if state then
        state.tat = math.ceil(math.max(state.tat, now) + limit.cost * limit.step)
        if urgent then state.urgent = 0 end
        if state.reset > now and state.left >= 0 then state.left = state.left - limit.cost end
        write_state(limit.key, state, now)
    else
        redis.call('ZADD', limit.key, int(now + lifetime), permit)
        redis.call('PEXPIRE', limit.key, int(math.ceil(lifetime / 1000)))
    end
end
if flag == 1 then
    breaker.probe = now + 30 * 1000000
    write_breaker(breaker, now)
end
return { 'granted', 0, 0, '0', flag }
