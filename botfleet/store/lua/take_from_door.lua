-- Takes one entry out of a plain map if its value is still as the caller read it.
--
-- KEYS  1  {teams_key} or {tokens_key}   hash   field -> token or state, written by other programs
-- ARGV  1  the field
--       2  the value as it was read
-- Returns 1 if taken, 0 if it is gone or has changed.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
return redis.call('HDEL', KEYS[1], ARGV[1])
