-- Takes those of a rota whose turn it is, the longest overdue first, and gives each its next turn.
--
-- KEYS  1  botfleet:rota:{name}   sorted set of members by when their turn is, server's milliseconds   no expiry
-- ARGV  1  the most to take
--       2  milliseconds until their next turn
-- Returns the members.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])

for _, member in ipairs(found) do
  redis.call('ZADD', KEYS[1], now + ARGV[2], member)
end
return found
