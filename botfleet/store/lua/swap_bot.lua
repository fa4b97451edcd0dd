-- Writes, adds or removes one bot if its row is still as the caller read it.
--
-- KEYS  1  {teams_key}:{shard}           hash    bot's key -> Bot as JSON         no expiry
--       2  {tokens_key}:{shard}          hash    bot's key -> Status as JSON      no expiry
--       3  botfleet:versions             sorted set   shard -> version            no expiry
--       4  botfleet:fingerprints:{n}     hash    fingerprint -> bot's key; of the token before
--       5  botfleet:fingerprints:{m}     hash    the same; of the token after     no expiry
--       6  botfleet:version              string  the last version given           no expiry
--       7  botfleet:shard:{shard}        list    Command as JSON                  no expiry
--       8  botfleet:history:{key}        list    see history.lua
-- ARGV  1  the bot's key
--       2  the shard
--       3  the row as it was read; empty: there was none
--       4  the new row; empty: remove the bot and its status
--       5  the fingerprint before; empty: none
--       6  the fingerprint after; empty: none
--       7  the entry for its history; empty: none
--       8, 9  bounds of the history: entries, milliseconds
--       10… commands that tell the holder of it
-- Returns 1 if written, 0 if the row has changed meanwhile.
local key, shard, before, after, old_token, new_token = unpack(ARGV)

if redis.call('HGET', KEYS[1], key) ~= (before ~= '' and before) then
  return 0
end
if old_token ~= '' and redis.call('HGET', KEYS[4], old_token) == key then
  redis.call('HDEL', KEYS[4], old_token)
end
if after == '' then
  redis.call('HDEL', KEYS[1], key)
  redis.call('HDEL', KEYS[2], key)
else
  redis.call('HSET', KEYS[1], key, after)
  redis.call('HSET', KEYS[5], new_token, key)
end
note_change(KEYS[8], ARGV[7], ARGV[8], ARGV[9])
for command = 10, #ARGV do
  redis.call('RPUSH', KEYS[7], ARGV[command])
end
redis.call('ZADD', KEYS[3], redis.call('INCR', KEYS[6]), shard)
return 1
