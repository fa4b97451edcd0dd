-- Ends claims: of messages that were published, and of those that were not. `generations.lua` stands before it.
--
-- Keys
--   those of generations.lua and claim.lua
--
-- ARGV
--   1   PREFIX
--   2   milliseconds for which a mark counts at least
--   3   how many marks there may be
--   4   the claimant
--   5   how many messages were published, then their marks
--   then the marks that are given back
--
-- A claim that expired, and is another's by now, is left alone.

local claims, claimant, last = ARGV[1] .. 'botfleet:claim:', ARGV[4], 5 + tonumber(ARGV[5])
local open = open_generations(ARGV[1] .. 'botfleet:seen', tonumber(ARGV[2]), tonumber(ARGV[3]))
local before, new = marked(open, 6, last), {}

for at = 6, last do
    if not before[at - 5] then
        new[#new + 1] = ARGV[at]
    end
end
mark(open, new)
for at = 6, #ARGV do
    local key = claims .. ARGV[at]
    if redis.call('GET', key) == claimant then
        redis.call('DEL', key)
    end
end
