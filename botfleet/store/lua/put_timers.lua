-- Announces a role's timers.
--
-- KEYS  1  botfleet:timers          hash         group -> list of Schedule as JSON             no expiry
--       2  botfleet:timers:groups   sorted set   group -> when it expires, server's milliseconds
-- ARGV  1  the group
--       2  the row; empty: it has no timers
--       3  ttl in milliseconds
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
end
return 1
