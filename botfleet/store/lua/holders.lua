-- The names of the holders that are alive; drops the others from the index.
--
-- KEYS  1  botfleet:holders   sorted set   name -> when it expires, server's milliseconds   no expiry
-- Returns the names.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZRANGE', KEYS[1], 0, -1)
