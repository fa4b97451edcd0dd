-- Strikes the event at a lane's head out, and takes the next one or gives the lane back. `lanes.lua` stands before it.
--
-- Keys
--   those of lanes.lua
--
-- ARGV
--   1   PREFIX
--   2   the lane
--   3   the run that has it
--   4   milliseconds for which the lane is its own, from now on
--   5   "1": it takes the next one
--
-- Returns {"lost"}, and nothing was done: another run has the lane; {"empty"}: that was the last one, the lane is
-- gone; {"head", the next event}; or {"rest", the next event's id}: the lane is given back, and needs a wake-up.

local prefix, lane, run = ARGV[1], ARGV[2], ARGV[3]
local events, state = keys_of(prefix, lane)
if redis.call('HGET', state, 'holder') ~= run then
    return {'lost'}
end
redis.call('LPOP', events)
local head = redis.call('LINDEX', events, 0)
if not head then
    forget(prefix, lane)
    return {'empty'}
end
local now = server_time()
redis.call('HDEL', state, 'failures', 'lost')
if ARGV[5] ~= '1' then
    redis.call('HDEL', state, 'holder', 'until')
    keep(prefix, lane, now + GRACE)
    return {'rest', id_of(head)}
end
redis.call('HSET', state, 'until', now + ARGV[4])
keep(prefix, lane, now + ARGV[4])
return {'head', head}
