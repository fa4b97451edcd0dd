-- Gives seats to others; or (to nobody) back.
--
-- KEYS  1  botfleet:leases    hash         seat -> "epoch owner"                          no expiry
--       2  botfleet:members   sorted set   owner -> when it expires, server's milliseconds
--       3  botfleet:claims    hash         seat -> the owner that is ready to take it     no expiry
-- ARGV  1   the owner
--       2…  triples of a seat, its epoch, and who gets it (empty: nobody); the caller bounds how many
-- Returns 1 for each seat that changed hands, else 0: it was not the owner's, or who was to get it is gone or
-- does not claim it any more.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local done = {}

for n = 2, #ARGV, 3 do
  local seat, epoch, to = ARGV[n], ARGV[n + 1], ARGV[n + 2]
  local own = redis.call('HGET', KEYS[1], seat) == epoch .. ' ' .. ARGV[1]
  local claimed = to ~= '' and redis.call('HGET', KEYS[3], seat) == to
  local lives = tonumber(redis.call('ZSCORE', KEYS[2], to) or 0) > now
  local given = own and (to == '' or claimed and lives)
  if given then
    redis.call('HSET', KEYS[1], seat, string.format('%d %s', to == '' and epoch or epoch + 1, to))
  end
  if own and claimed then
    redis.call('HDEL', KEYS[3], seat)
  end
  done[#done + 1] = given and 1 or 0
end
return done
