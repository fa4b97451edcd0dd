-- Takes a lane for a run, if there is something to do. `lanes.lua` stands before it.
--
-- Keys
--   those of lanes.lua
--
-- ARGV
--   1   PREFIX
--   2   the lane
--   3   the run
--   4   milliseconds for which the lane is its own
--
-- Returns {"empty"}; {"taken"}, by another run; {"waits", for how many ms, after how many failures}; or {"head", the
-- event at the head, its failures, how many runs were lost with it}, and the lane is the run's.

local prefix, lane, run, ttl = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local events, state = keys_of(prefix, lane)
local entry = redis.call('LINDEX', events, 0)
if not entry then
    forget(prefix, lane)
    return {'empty'}
end
local now = server_time()
local holder, until_, resume, failures, lost =
    unpack(redis.call('HMGET', state, 'holder', 'until', 'resume', 'failures', 'lost'))
if holder and tonumber(until_) > now then
    return {'taken'}
end
resume, failures, lost = tonumber(resume or 0), tonumber(failures or 0), tonumber(lost or 0)
if resume > now then
    return {'waits', resume - now, failures}
end
if holder then
    lost = redis.call('HINCRBY', state, 'lost', 1)
end
redis.call('HSET', state, 'holder', run, 'until', now + ttl)
redis.call('HDEL', state, 'resume', 'woken')
keep(prefix, lane, now + ttl)
return {'head', entry, failures, lost}
