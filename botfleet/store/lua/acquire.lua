-- Takes a lease that is free, or prolongs the owner's own.
--
-- KEYS  1  botfleet:lease:{name}   hash     owner, epoch    expires by the server's clock after ttl
--       2  botfleet:epoch:{name}   string   counter         no expiry: epochs never go back
-- ARGV  1  the owner
--       2  ttl in milliseconds
-- Returns the epoch, or nil where somebody else has the lease.
local owner = redis.call('HGET', KEYS[1], 'owner')
local epoch

if not owner then
  epoch = redis.call('INCR', KEYS[2])
  redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'epoch', epoch)
elseif owner == ARGV[1] then
  epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch'))
else
  return nil
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return epoch
