#!lua flags=allow-oom
-- Purpose: ends jobs that cannot succeed and keeps them as dead letters.
-- ARGV:    id, token, letter for each job (at most 100). A letter is a JSON object up to and including the
--          comma before "failed_at", which is written here as it is a time.
-- Reply:   { positions, from 0, of the jobs whose lease is lost }; those are left alone

local wrong = wrong_key(IN_FLIGHT) or wrong_key({ DEAD, 'list' })
if wrong then return wrong end

-- RFC 3339 of ms since 1970 (civil date from day number, after Howard Hinnant).
local function rfc3339(ms)
    local seconds = math.floor(ms / 1000)
    local days = math.floor(seconds / 86400) + 719468
    local ofDay = seconds % 86400
    local era = math.floor(days / 146097)
    local ofEra = days - era * 146097
    local yearOfEra = math.floor(
        (ofEra - math.floor(ofEra / 1460) + math.floor(ofEra / 36524) - math.floor(ofEra / 146096)) / 365)
    local ofYear = ofEra - (365 * yearOfEra + math.floor(yearOfEra / 4) - math.floor(yearOfEra / 100))
    local index = math.floor((5 * ofYear + 2) / 153)
    local day = ofYear - math.floor((153 * index + 2) / 5) + 1
    local month = index < 10 and index + 3 or index - 9
    local year = yearOfEra + era * 400 + (month <= 2 and 1 or 0)
    return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%03dZ', year, month, day, math.floor(ofDay / 3600),
        math.floor(ofDay / 60) % 60, ofDay % 60, ms % 1000)
end

local time, lost, buried = rfc3339(now_ms()), {}, 0
for i = 1, #ARGV, 3 do
    local job = held(ARGV[i], ARGV[i + 1])
    if job then
        redis.call('LPUSH', DEAD, ARGV[i + 2] .. '"failed_at":"' .. time .. '"}')
        leave(job)
        buried = buried + 1
    else
        lost[#lost + 1] = (i - 1) / 3
    end
end
if buried > 0 then redis.call('HINCRBY', COUNTERS, 'dead', buried) end
return lost
