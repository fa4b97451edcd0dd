-- Writes statuses of one shard; those of bots that are not in the registry are dropped.
--
-- KEYS  1  {teams_key}:{shard}    hash   bot's key -> Bot as JSON       no expiry
--       2  {tokens_key}:{shard}   hash   bot's key -> Status as JSON    no expiry
--       3  botfleet:versions      hash   shard -> counter               no expiry
-- ARGV  1  the shard
--       2… pairs of a bot's key and its new row; the caller sends at most 200 pairs
-- Returns how many rows changed; the shard's version grows if any did.
local changed = 0

for i = 2, #ARGV, 2 do
  local key, row = ARGV[i], ARGV[i + 1]
  if redis.call('HEXISTS', KEYS[1], key) == 1 and redis.call('HGET', KEYS[2], key) ~= row then
    redis.call('HSET', KEYS[2], key, row)
    changed = changed + 1
  end
end
if changed > 0 then
  redis.call('HINCRBY', KEYS[3], ARGV[1], 1)
end
return changed
