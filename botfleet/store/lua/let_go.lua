-- Gives a lock back, if it is still the owner's.
--
-- KEYS  1  botfleet:lock:{name}   string   the owner   expires after ttl
-- ARGV  1  the owner
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return 1
