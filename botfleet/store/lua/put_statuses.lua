-- Writes statuses of one shard; those of bots that are not in the registry are dropped.
--
-- KEYS  1  {teams_key}:{shard}    hash   bot's key -> Bot as JSON       no expiry
--       2  {tokens_key}:{shard}   hash   bot's key -> Status as JSON    no expiry
-- ARGV  pairs of a bot's key and its new row; the caller bounds how many
-- Returns how many were written.
local written = 0

for i = 1, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    written = written + 1
  end
end
return written
