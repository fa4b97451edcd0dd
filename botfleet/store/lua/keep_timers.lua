-- Says that a role still runs its timers.
--
-- KEYS  1-2 of put_timers.lua
-- ARGV  1  the group
--       2  ttl in milliseconds
-- Returns 1; 0 where nothing of it is announced (any more).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or 0) <= now or redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
return 1
