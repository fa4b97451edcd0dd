-- Replaces one group's subscriptions; the version grows only if they changed.
--
-- KEYS  1  botfleet:subscriptions           hash     group -> list of Subscription as JSON   no expiry
--       2  botfleet:subscriptions:version   string   counter                                 no expiry
-- ARGV  1  the group
--       2  the row; empty: remove the group
-- Returns 1 if anything changed, else 0.
local row = ARGV[2] ~= '' and ARGV[2]

if redis.call('HGET', KEYS[1], ARGV[1]) == row then
  return 0
end
if row then
  redis.call('HSET', KEYS[1], ARGV[1], row)
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
redis.call('INCR', KEYS[2])
return 1
