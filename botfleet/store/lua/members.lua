-- The rows of the holders that are alive.
--
-- KEYS  1  botfleet:members        sorted set   owner -> when it expires, server's milliseconds   no expiry
--       2  botfleet:members:rows   hash         owner -> Member as JSON                           no expiry
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local rows = {}

for _, owner in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')) do
  rows[#rows + 1] = redis.call('HGET', KEYS[2], owner) or nil
end
return rows
