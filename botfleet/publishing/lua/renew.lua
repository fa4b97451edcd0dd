-- Keeps lanes for the runs that have them. `lanes.lua` stands before it.
--
-- Keys
--   those of lanes.lua
--
-- ARGV
--   1   PREFIX
--   2   milliseconds for which they are the runs' own, from now on
--   then pairs of a lane and the run that has it
--
-- Returns for each pair 1, or 0 where another run has the lane.

local prefix, ttl, now, kept = ARGV[1], tonumber(ARGV[2]), server_time(), {}
for at = 3, #ARGV, 2 do
    local _, state = keys_of(prefix, ARGV[at])
    local own = redis.call('HGET', state, 'holder') == ARGV[at + 1]
    if own then
        redis.call('HSET', state, 'until', now + ttl)
        keep(prefix, ARGV[at], now + ttl)
    end
    kept[#kept + 1] = own and 1 or 0
end
return kept
