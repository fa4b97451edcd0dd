-- Prolongs a lease, or (ttl 0) gives it back, if it is still the owner's with this epoch.
--
-- KEYS  1  botfleet:lease:{name}   hash   owner, epoch    expires by the server's clock after ttl
-- ARGV  1  the owner
--       2  the epoch
--       3  ttl in milliseconds; 0 deletes the lease
-- Returns 1 if done, 0 where the lease is lost.
local held = redis.call('HMGET', KEYS[1], 'owner', 'epoch')

if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
