#!lua flags=allow-oom
-- Purpose: ends jobs that are done, frees their integrations and starts what waited for them.
-- ARGV:    name of the counter to raise or "", then id, token for each job (at most 100).
-- Reply:   { positions, from 0, of the jobs whose lease is lost }; those are left alone
-- Invariants: a lock is freed only by the job that holds it, together with the job's entries.

local wrong = wrong_key(IN_FLIGHT) or wrong_key({ CANCELLED, 'zset' })
if wrong then return wrong end

local ids, lost, done, locks, others = {}, {}, {}, {}, {}
local has_slots = redis.call('ZCARD', SLOTS) > 0
for i = 2, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
for i, envelope in ipairs(redis.call('HMGET', JOBS, unpack(ids))) do
    local token, state, key_bytes, bound_bytes, body
    if envelope then
        token, state, key_bytes, bound_bytes, body =
            envelope:match('^v1 (%S+) (%a) %S+ %d+ %d+ %a+ %d+ %d+ (%d+) (%d+)\n()')
    end
    if token ~= ARGV[i * 2 + 1] or not token then
        lost[#lost + 1] = i - 1
    elseif state == 'r' and not has_slots then
        done[#done + 1] = ids[i]
        local bound_at = body + tonumber(key_bytes)
        if bound_at > body then locks[#locks + 1] = envelope:sub(body, bound_at - 1) end
        if bound_bytes ~= '0' then
            locks[#locks + 1] = envelope:sub(bound_at, bound_at + tonumber(bound_bytes) - 1)
        end
    else
        others[#others + 1] = parse(envelope)
    end
end
if #done > 0 then
    redis.call('HDEL', JOBS, unpack(done))
    redis.call('ZREM', LEASES, unpack(done))
end
if #locks > 0 then
    redis.call('HDEL', RUNNING, unpack(locks))
    if redis.call('HLEN', COUNTS) > 0 then
        for i, count in ipairs(redis.call('HMGET', COUNTS, unpack(locks))) do
            if count then release(locks[i], 1) end
        end
    end
end
for _, job in ipairs(others) do leave(job) end
if ARGV[1] == 'cancelled' then redis.call('ZREM', CANCELLED, unpack(ids)) end
if ARGV[1] ~= '' and #done + #others > 0 then
    redis.call('HINCRBY', COUNTERS, ARGV[1], #done + #others)
end
return lost
