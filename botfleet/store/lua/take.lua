-- Takes seats that are free, whose owner is gone, or that are the owner's own already.
--
-- KEYS  1  botfleet:leases    hash         seat -> "epoch owner"                          no expiry
--       2  botfleet:members   sorted set   owner -> when it expires, server's milliseconds
-- ARGV  1   the owner
--       2…  seats; the caller bounds how many
-- Returns an epoch for each seat, 0 where somebody else has it.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local owner, epochs, living = ARGV[1], {}, {}

local function lives(one)
  if living[one] == nil then
    living[one] = tonumber(redis.call('ZSCORE', KEYS[2], one) or 0) > now
  end
  return living[one]
end

if not lives(owner) then
  return redis.error_reply('NOTALIVE ' .. owner)
end
for n = 2, #ARGV do
  local epoch, holds = (redis.call('HGET', KEYS[1], ARGV[n]) or '0 '):match('^(%d+) (.*)$')
  if holds == owner then
    epochs[n - 1] = tonumber(epoch)
  elseif holds ~= '' and lives(holds) then
    epochs[n - 1] = 0
  else
    -- Not below the time: no epoch comes again even when the server was emptied.
    epochs[n - 1] = math.max(epoch + 1, now)
    redis.call('HSET', KEYS[1], ARGV[n], string.format('%d %s', epochs[n - 1], owner))
  end
end
return epochs
