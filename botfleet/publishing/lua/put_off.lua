-- Gives a lane back whose first event has failed, and is to be tried again later. `lanes.lua` stands before it.
--
-- Keys
--   those of lanes.lua
--
-- ARGV
--   1   PREFIX
--   2   the lane
--   3   the run that has it
--   4   milliseconds for which the lane waits
--
-- Returns 1, or 0 where another run has the lane, and nothing was done.

local prefix, lane, run, wait = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local _, state = keys_of(prefix, lane)
if redis.call('HGET', state, 'holder') ~= run then
    return 0
end
local resume = server_time() + wait
redis.call('HINCRBY', state, 'failures', 1)
redis.call('HDEL', state, 'holder', 'until', 'lost')
redis.call('HSET', state, 'resume', resume)
keep(prefix, lane, resume + GRACE)
return 1
