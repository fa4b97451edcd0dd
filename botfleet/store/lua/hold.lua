-- Takes a lock that is free, or keeps it for longer.
--
-- KEYS  1  botfleet:lock:{name}   string   the owner   expires after ttl
-- ARGV  1  the owner
--       2  ttl in milliseconds
-- Returns 1 if it is the owner's now, 0 if it is another's.
local owner = redis.call('GET', KEYS[1])

if owner and owner ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
