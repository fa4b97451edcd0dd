-- Takes claims back.
--
-- KEYS  1  botfleet:claims   hash   seat -> the owner that is ready to take it   no expiry
-- ARGV  1   the owner
--       2…  seats
for n = 2, #ARGV do
  if redis.call('HGET', KEYS[1], ARGV[n]) == ARGV[1] then
    redis.call('HDEL', KEYS[1], ARGV[n])
  end
end
return 1
