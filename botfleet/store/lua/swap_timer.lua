-- Writes how far a timer has come if that is still as the caller read it.
--
-- KEYS  1  botfleet:timer:{task}          string   TimerState as JSON            expires when not used for long
--       2  botfleet:timer:{task}:memory   hash     what the timer remembers       expires with it
-- ARGV  1  the row as it was read; empty: there was none
--       2  the new row
--       3  milliseconds until both expire
-- Returns 1 if written, 0 if the row has changed meanwhile.
if redis.call('GET', KEYS[1]) ~= (ARGV[1] ~= '' and ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
