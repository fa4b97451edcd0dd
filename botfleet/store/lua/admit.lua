-- Asks whether something may be done: not if it was done before, not while it is halted, and not too often.
--
-- KEYS  1  botfleet:noted:{mark}   string   what was noted when it was done                       expires
--       2  botfleet:halt:{name}    string   there while it is halted                              expires then
--       3  botfleet:pace:{name}    string   when all turns taken will be over; microseconds       expires then
-- ARGV  1  microseconds between two turns, 0 where nothing is paced
--       2  microseconds by which turns may be taken early: the burst
--       3  microseconds that the caller would wait for its turn
--       4  the mark's life in milliseconds
-- Returns what was noted or nil, the microseconds to wait, and 1 where the turn after that is the caller's.
local noted = redis.call('GET', KEYS[1])
if noted then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return {noted, 0, 0}
end
local halted = redis.call('PTTL', KEYS[2])
if halted > 0 then
  return {false, halted * 1000, 0}
end
if ARGV[1] == '0' then
  return {false, 0, 1}
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local turn = math.max(now, tonumber(redis.call('GET', KEYS[3]) or 0))
local wait = math.max(0, turn - ARGV[2] - now)
if wait > tonumber(ARGV[3]) then
  return {false, wait, 0}
end
local after = turn + ARGV[1]
redis.call('SET', KEYS[3], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return {false, wait, 1}
