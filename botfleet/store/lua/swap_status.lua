-- Writes one status if its row is still as the caller read it.
--
-- KEYS  1  {tokens_key}:{shard}   hash   bot's key -> Status as JSON    no expiry
--       2  botfleet:versions      hash   shard -> counter               no expiry
-- ARGV  1  the bot's key
--       2  the shard
--       3  the row as it was read
--       4  the new row
-- Returns 1 if written, 0 if the row has changed meanwhile.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[3] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
redis.call('HINCRBY', KEYS[2], ARGV[2], 1)
return 1
