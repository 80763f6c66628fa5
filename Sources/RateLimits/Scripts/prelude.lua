-- Inserted below the first line of every script: the keys, and the states they hold.
--
-- KEYS, the same for every script:
--   1    limit:breaker:SERVICE           string   the service's circuit breaker
--   2    limit:gate:SERVICE:INTEGRATION  string   refusals that name no limit
--   3…   limit:…                         string   the state of a rate
--                                        zset     permits of a concurrency: permit -> µs at which it is given up
--
-- All times are whole microseconds of Redis TIME, as text without an exponent.
--
-- State of a rate or a gate, numbers separated by spaces:
--   tat        theoretical arrival time of GCRA: when the bucket is full again
--   promised   the end of the line of those who wait in place
--   urgent     until then only urgent requests start
--   blocked    until then none starts
--   factor     thousandths of the rate that refusals without a hint have left
--   slowed     when the factor was lowered last
--   left       units until the reset, -1 when unknown
--   reset      when `left` does not hold any more
--   refusals   refusals without a hint in a row
-- One of which only tat matters is that number alone: most are, and both are written and read for each request.
-- State of a breaker:
--   state      0 closed, 1 open
--   until      when an open one lets a probe pass
--   failures, total  outcomes since `since`
--   since      begin of the window
--   opens      how often it opened in a row
--   probe      until then a probe is on its way

local MINIMUM_FACTOR = 16
-- Thousandths that a slowed rate wins back in a second: full speed again after a minute or two.
local RECOVERY = 10
local QUIET = 120 * 1000000

local function now_us()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function int(value)
    return string.format('%.0f', value)
end

local function wrong_key(key, kind)
    return redis.error_reply('WRONGKEY ' .. key .. ' is not a ' .. kind)
end

local function wrong_type(key, kind)
    local found = redis.call('TYPE', key).ok
    if found ~= kind and found ~= 'none' then return wrong_key(key, kind) end
    return nil
end

-- What a string key holds, or false; for a key of another type an error reply as the second result. Cheaper than asking
-- for the type first.
local function get(key)
    local text = redis.pcall('GET', key)
    if type(text) == 'table' then return false, wrong_key(key, 'string') end
    return text, nil
end

local STATE = '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%-?%d+) (%d+) (%d+)$'

local function parse_state(text)
    local tat, promised, urgent, blocked, factor, slowed, left, reset, refusals
    if text then
        tat = tonumber(text)
        if not tat then
            tat, promised, urgent, blocked, factor, slowed, left, reset, refusals = text:match(STATE)
        end
    end
    if not promised then
        return { tat = tat or 0, promised = 0, urgent = 0, blocked = 0, factor = 1000, slowed = 0, left = -1,
            reset = 0, refusals = 0 }
    end
    return { tat = tonumber(tat), promised = tonumber(promised), urgent = tonumber(urgent),
        blocked = tonumber(blocked), factor = tonumber(factor), slowed = tonumber(slowed), left = tonumber(left),
        reset = tonumber(reset), refusals = tonumber(refusals) }
end

-- A state is kept for as long as it matters.
local function write_state(key, state, now)
    local text, ends
    if state.promised <= now and state.urgent <= now and state.blocked <= now and state.reset <= now
        and state.factor >= 1000 and state.refusals == 0 then
        text, ends = int(state.tat), state.tat
    else
        text = string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f', state.tat, state.promised, state.urgent,
            state.blocked, state.factor, state.slowed, state.left, state.reset, state.refusals)
        ends = math.max(state.tat, state.promised, state.blocked, state.reset)
        if state.factor < 1000 or state.refusals > 0 then ends = math.max(ends, state.slowed + QUIET) end
    end
    redis.call('SET', key, text, 'PX', int(math.max(1000, math.ceil((ends - now) / 1000) + 1000)))
end

-- The share of its rate that a limit has now, in (0, 1].
local function share(state, now)
    if state.factor >= 1000 then return 1 end
    return math.min(1000, state.factor + (now - state.slowed) / 1000000 * RECOVERY) / 1000
end

local BREAKER = '^(%d) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$'

local function parse_breaker(text)
    local state, until_, failures, total, since, opens, probe
    if text then state, until_, failures, total, since, opens, probe = text:match(BREAKER) end
    if not state then return nil end
    return { state = tonumber(state), until_ = tonumber(until_), failures = tonumber(failures),
        total = tonumber(total), since = tonumber(since), opens = tonumber(opens), probe = tonumber(probe) }
end

local function write_breaker(breaker, now)
    local text = string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f', breaker.state, breaker.until_, breaker.failures,
        breaker.total, breaker.since, breaker.opens, breaker.probe)
    local ends = math.max(breaker.until_, breaker.probe, breaker.since) + 20 * 60 * 1000000
    redis.call('SET', KEYS[1], text, 'PX', int(math.ceil((ends - now) / 1000)))
end
