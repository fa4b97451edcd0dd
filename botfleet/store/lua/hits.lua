-- Counts a call in a window that the first one begins.
--
-- KEYS  1  counter, expires with the window
-- ARGV  1  the window, milliseconds
-- Returns how many calls there were.
local count = redis.call('INCR', KEYS[1])

if count == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return count
