-- Forgets a lane with its events. `lanes.lua` stands before it.
--
-- Keys
--   those of lanes.lua
--
-- ARGV
--   1   PREFIX
--   2   the lane
--
-- Returns how many events it had.

local count = redis.call('LLEN', (keys_of(ARGV[1], ARGV[2])))
forget(ARGV[1], ARGV[2])
return count
