-- Says when a member's turn is.
--
-- KEYS  1  botfleet:rota:{name}   sorted set   as in take_turns.lua
-- ARGV  1  the member
--       2  milliseconds until its turn; empty: it has none any more
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

if ARGV[2] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
end
