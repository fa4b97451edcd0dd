-- The timers that are announced; forgets the roles whose time is over.
--
-- KEYS  1-2 of put_timers.lua
-- Returns the server's microseconds as text, and then groups and their rows in turn.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
  redis.call('ZREM', KEYS[2], gone)
  redis.call('HDEL', KEYS[1], gone)
end
return { string.format('%.0f', time[1] * 1000000 + time[2]), unpack(redis.call('HGETALL', KEYS[1])) }
