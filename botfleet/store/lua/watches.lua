-- Who watches events come in.
--
-- KEYS  1  botfleet:watches   sorted set   Watch as JSON -> when it expires, server's milliseconds   expires then
-- ARGV  1  how many at the most
-- Returns the rows.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

return redis.call('ZRANGE', KEYS[1], string.format('(%.0f', now), '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[1])
