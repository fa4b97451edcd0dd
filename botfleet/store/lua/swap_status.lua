-- Writes or removes one status if its row is still as the caller read it.
--
-- KEYS  1  {tokens_key}:{shard}   hash   bot's key -> Status as JSON    no expiry
--       2  botfleet:history:{key}   list   see history.lua
-- ARGV  1  the bot's key
--       2  the row as it was read
--       3  the new row; empty: remove it
--       4  the entry for its history; empty: none
--       5, 6  bounds of the history: entries, milliseconds
-- Returns 1 if written, 0 if the row has changed meanwhile.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  note_change(KEYS[2], ARGV[4], ARGV[5], ARGV[6])
end
return 1
