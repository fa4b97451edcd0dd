-- Takes the next turn of a pace; turns are an interval apart, and those that nobody took in time are gone.
--
-- KEYS  1  botfleet:pace:{name}   string   no turn before; server's microseconds   expires then
-- ARGV  1  the interval in microseconds
-- Returns the microseconds until the turn.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local turn = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local after = turn + ARGV[1]

redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return turn - now
