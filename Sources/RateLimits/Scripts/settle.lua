#!lua flags=allow-oom
-- Purpose: takes note of what a request taught: gives permits back, blocks what the provider refused, tightens what it
--          said is left, and counts outcomes for the circuit breaker.
--          Makes what a request was charged what it really took.
-- ARGV:    permit; what the breaker hears: ok, failed or -; then for each key from the second on, one note: words with
--          spaces between them, or - for nothing.
--            release              gives the permit of a concurrency back
--            block:µs             the provider asks to wait
--            slow                 the provider refused and said nothing
--            left:units:µs        that much is left until then
--            left:units:@µs       the same, with the reset by the provider's own clock
--            cost:units:µs:µs     the request took so many units more (or less) than it was charged for, and what those
--                                 are in time at full speed; the last is how far the bucket is from full, by what the
--                                 provider says is there
-- Reply:   µs for which the breaker is open now, 0 when it is closed
-- Invariants: runs on a full Redis too: its keys are a few short texts that end by themselves, and a refusal that nobody
--          heard of would let another worker ask as soon as there is room again.
--          Nothing here ever loosens a limit before its time; what is given back was charged for this very request, at
--          this speed or a lower one. An open breaker closes only by a probe that succeeded.

local permit, outcome = ARGV[1], ARGV[2]
local now = now_us()
local notes = {}
local wrong = wrong_type(KEYS[1], 'string')
for position = 2, #KEYS do
    local note = ARGV[position + 1]
    notes[position] = note
    if note ~= '-' then
        wrong = wrong or wrong_type(KEYS[position], note == 'release' and 'zset' or 'string')
    end
end
if wrong then return wrong end

local WINDOW, ENOUGH, HALF = 60 * 1000000, 10, 2
local LONGEST_PERIOD = 31 * 86400 * 1000000
local FIRST_PAUSE, LONGEST_PAUSE = 15 * 1000000, 10 * 60 * 1000000

local function open(breaker)
    breaker.state, breaker.probe = 1, 0
    breaker.opens = breaker.opens + 1
    breaker.until_ = now + math.min(FIRST_PAUSE * 2 ^ math.min(breaker.opens - 1, 10), LONGEST_PAUSE)
    breaker.failures, breaker.total, breaker.since = 0, 0, now
end

local function hear()
    if outcome == '-' then return 0 end
    local breaker = parse_breaker(redis.call('GET', KEYS[1]))
    local isGood = outcome == 'ok'
    if not breaker then
        -- Outcomes are counted from the first failure on: a healthy service costs nothing.
        if isGood then return 0 end
        breaker = { state = 0, until_ = 0, failures = 0, total = 0, since = now, opens = 0, probe = 0 }
    end
    if breaker.state == 1 then
        if isGood and breaker.until_ <= now then
            redis.call('DEL', KEYS[1])
            return 0
        end
        -- What was under way when it opened says nothing new.
        if breaker.until_ > now or isGood then return breaker.until_ - now end
        open(breaker)
    else
        if now - breaker.since > WINDOW then
            if isGood then
                redis.call('DEL', KEYS[1])
                return 0
            end
            breaker.failures, breaker.total, breaker.since, breaker.opens = 0, 0, now, 0
        end
        breaker.total = breaker.total + 1
        if not isGood then breaker.failures = breaker.failures + 1 end
        if breaker.failures >= ENOUGH and breaker.failures * HALF >= breaker.total then open(breaker) end
    end
    write_breaker(breaker, now)
    return math.max(0, breaker.until_ - now)
end

local function slow(state)
    if now - state.slowed > QUIET then state.refusals = 0 end
    -- Requests that were under way together are refused together: that is one refusal.
    if now - state.slowed > 1000000 then
        state.factor = math.max(MINIMUM_FACTOR, math.floor(share(state, now) * 1000 / 2))
        state.refusals = state.refusals + 1
        state.slowed = now
    end
    state.blocked = math.max(state.blocked, now + math.min(1000000 * 2 ^ (state.refusals - 1), 60 * 1000000))
end

local function tighten(state, units, at)
    -- No limit fills up over more than 31 days: a reset beyond is a mistake, and would shut the limit for good.
    if at <= now or at - now > LONGEST_PERIOD then return end
    -- Resets of one window differ a little from answer to answer.
    local isSame = state.reset > now and math.abs(state.reset - at) < 2000000
    if isSame and state.left >= 0 then
        state.left = math.min(state.left, units)
    else
        state.left, state.reset = units, at
    end
end

local function charge(state, units, time, missing)
    -- What is missing costs the time that it takes at the speed of now; what is too much was paid for at that speed or a
    -- lower one.
    if units > 0 then time = time / share(state, now) end
    state.tat = math.max(math.ceil(math.max(state.tat, now) + time), now, now + missing)
    if state.reset > now and state.left >= 0 then state.left = math.max(0, state.left - units) end
end

local function take_note(state, note)
    local word, first, second = note:match('^(%a+):?([^:]*):?(.*)$')
    if word == 'block' then
        state.blocked = math.max(state.blocked, now + tonumber(first))
    elseif word == 'slow' then
        slow(state)
    elseif word == 'left' then
        local at = second:sub(1, 1) == '@' and tonumber(second:sub(2)) or now + tonumber(second)
        tighten(state, tonumber(first), at)
    elseif word == 'cost' then
        local time, missing = second:match('^(%-?%d+):(%d+)$')
        charge(state, tonumber(first), tonumber(time), tonumber(missing))
    end
end

local pause = hear()
for position = 2, #KEYS do
    local note, key = notes[position], KEYS[position]
    if note == 'release' then
        redis.call('ZREM', key, permit)
    elseif note ~= '-' then
        local state = parse_state(redis.call('GET', key))
        for word in note:gmatch('[^ ]+') do take_note(state, word) end
        write_state(key, state, now)
    end
end
return pause
