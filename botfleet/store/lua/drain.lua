-- Takes up to a number of commands out of several shards' queues, without waiting.
--
-- KEYS  1… botfleet:shard:{n}   list   Command as JSON, oldest at the head   no expiry
-- ARGV  1  the most to take
-- Returns the rows, oldest first within each shard.
local limit, rows = tonumber(ARGV[1]), {}

for _, queue in ipairs(KEYS) do
  if #rows >= limit then
    break
  end
  for _, row in ipairs(redis.call('LPOP', queue, limit - #rows) or {}) do
    rows[#rows + 1] = row
  end
end
return rows
