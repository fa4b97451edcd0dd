-- Puts a command into a shard's queue, unless that was done before under the same mark.
--
-- KEYS  1  botfleet:noted:{mark}    string   ticket of the command that was put   expires
--       2  botfleet:shard:{shard}   list     Command as JSON                      no expiry
-- ARGV  1  the command's row   2  its ticket, may be empty   3  the mark's life in milliseconds
-- Returns nil where it was put, else the ticket of the one that was put before.
local noted = redis.call('GET', KEYS[1])
if noted then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return noted
end
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return false
