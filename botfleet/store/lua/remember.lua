-- Writes or removes one thing that a timer remembers.
--
-- KEYS  1-2 of swap_timer.lua
-- ARGV  1  the field
--       2  the value; empty: remove it
--       3  milliseconds until it expires, where the timer's state has no expiry
local left = redis.call('PTTL', KEYS[1])

if ARGV[2] == '' then
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
redis.call('PEXPIRE', KEYS[2], left > 0 and left or ARGV[3])
return 1
