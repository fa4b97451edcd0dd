-- Writes statuses of one shard; those of bots that are not in the registry are dropped.
--
-- KEYS  1  {teams_key}:{shard}    hash   bot's key -> Bot as JSON       no expiry
--       2  {tokens_key}:{shard}   hash   bot's key -> Status as JSON    no expiry
--       3… botfleet:history:{key} of each bot, in the order of the statuses; see history.lua
-- ARGV  1, 2  bounds of the histories: entries, milliseconds
--       3… threes of a bot's key, its new row, and the entry for its history or nothing; the caller bounds how many
-- Returns how many were written.
local written = 0

for i = 3, #KEYS do
  local at = 3 * i - 6
  if redis.call('HEXISTS', KEYS[1], ARGV[at]) == 1 then
    redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
    note_change(KEYS[i], ARGV[at + 2], ARGV[1], ARGV[2])
    written = written + 1
  end
end
return written
