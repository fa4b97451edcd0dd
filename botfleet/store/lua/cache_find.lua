-- Finds the rows of a cache that have a name.
--
-- KEYS  1  botfleet:cache:{name}   hash   as in cache_put.lua
-- ARGV  1  milliseconds that the cache lives from now on
--       2  the name
-- Returns ids and values, one after the other.
local key, found = KEYS[1], {}

redis.call('PEXPIRE', key, ARGV[1])
for id in string.gmatch(redis.call('HGET', key, '=' .. ARGV[2]) or '', '%S+') do
  found[#found + 1] = id
  found[#found + 1] = redis.call('HGET', key, id)
end
return found
