-- Takes a holder out of the living.
--
-- KEYS  1-3, 6 of beat.lua
-- ARGV  1  the owner
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('HDEL', KEYS[4], ARGV[1])
  redis.call('INCR', KEYS[3])
end
return 1
