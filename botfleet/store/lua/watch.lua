-- Notes for a time that somebody watches events come in.
--
-- KEYS  1  botfleet:watches   sorted set   Watch as JSON -> when it expires, server's milliseconds   expires then
-- ARGV  1  the row
--       2  ttl in milliseconds
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last[2]))
return 1
