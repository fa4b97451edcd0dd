-- Says that a holder is alive.
--
-- KEYS  1  botfleet:holder:{name}   string       HolderInfo as JSON       expires after ttl
--       2  botfleet:holders         sorted set   name -> when it expires, server's milliseconds
-- ARGV  1  the holder's name
--       2  the row
--       3  ttl in milliseconds
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
return 1
