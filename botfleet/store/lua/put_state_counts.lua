-- Says how many bots of some shards are in which state, and keeps the sums in step.
--
-- KEYS  1  botfleet:state-counts   hash   shard -> JSON object, state -> number    no expiry
--       2  botfleet:state-totals   hash   state -> number, over all shards         no expiry
-- ARGV  pairs of a shard and its row, or nothing where it has no bots; the caller bounds how many
for i = 1, #ARGV, 2 do
  local shard, row = ARGV[i], ARGV[i + 1]
  local before = redis.call('HGET', KEYS[1], shard) or ''
  if row ~= before then
    local change = row ~= '' and cjson.decode(row) or {}
    for state, number in pairs(before ~= '' and cjson.decode(before) or {}) do
      change[state] = (change[state] or 0) - number
    end
    for state, by in pairs(change) do
      if by ~= 0 and redis.call('HINCRBY', KEYS[2], state, by) == 0 then
        redis.call('HDEL', KEYS[2], state)
      end
    end
    if row == '' then
      redis.call('HDEL', KEYS[1], shard)
    else
      redis.call('HSET', KEYS[1], shard, row)
    end
  end
end
return 1
