-- Keeps a holder among the living; drops those whose time is over.
--
-- KEYS  1  botfleet:members           sorted set   owner -> when it expires, server's milliseconds   no expiry
--       2  botfleet:members:rows      hash         owner -> Member as JSON                           no expiry
--       3  botfleet:members:version   string       changes with the members                          no expiry
--       4  botfleet:leases            hash         seat -> "epoch owner"; "term" -> when it was made  no expiry
--       5  botfleet:claims            hash         seat -> the owner that is ready to take it        no expiry
--       6  botfleet:drains            hash         owner -> 1: people want it to give its seats away no expiry
-- ARGV  1  the owner
--       2  its row
--       3  ttl in milliseconds
-- Returns: 1 if the owner was still alive; the version; the term; the number of claims; 1 if it is to drain.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local owner, row = ARGV[1], ARGV[2]
local until_ = tonumber(redis.call('ZSCORE', KEYS[1], owner) or 0)
local changed = false

for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  if gone ~= owner then
    redis.call('ZREM', KEYS[1], gone)
    redis.call('HDEL', KEYS[2], gone)
    redis.call('HDEL', KEYS[6], gone)
    changed = true
  end
end
redis.call('ZADD', KEYS[1], now + ARGV[3], owner)
if redis.call('HGET', KEYS[2], owner) ~= row then
  redis.call('HSET', KEYS[2], owner, row)
  changed = true
end
-- Both begin with the time: what they were before the server was emptied they never are again.
if redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('SET', KEYS[3], now)
elseif changed then
  redis.call('INCR', KEYS[3])
end
redis.call('HSETNX', KEYS[4], 'term', now)
return {
  until_ > now and 1 or 0,
  tonumber(redis.call('GET', KEYS[3])),
  tonumber(redis.call('HGET', KEYS[4], 'term')),
  redis.call('HLEN', KEYS[5]),
  redis.call('HEXISTS', KEYS[6], owner),
}
