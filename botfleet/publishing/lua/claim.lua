-- Claims the marks of messages before they are published. `generations.lua` stands before it.
--
-- Keys
--   those of generations.lua
--   PREFIX botfleet:claim:MARK   string: who publishes this message just now; expires after ARGV[5] ms
--
-- ARGV
--   1   PREFIX
--   2   milliseconds for which a mark counts at least
--   3   how many marks there may be
--   4   the claimant
--   5   milliseconds for which a claim holds
--   then marks
--
-- Returns for each mark: 0, it is the claimant's, now or again; 1, another's; 2, its message was published.

local claims, claimant = ARGV[1] .. 'botfleet:claim:', ARGV[4]
local open = open_generations(ARGV[1] .. 'botfleet:seen', tonumber(ARGV[2]), tonumber(ARGV[3]))
local done, answers = marked(open, 6, #ARGV), {}

for at = 1, #ARGV - 5 do
    local key = claims .. ARGV[5 + at]
    if done[at] then
        answers[at] = 2
    elseif (redis.call('GET', key) or claimant) ~= claimant then
        answers[at] = 1
    else
        redis.call('SET', key, claimant, 'PX', ARGV[5])
        answers[at] = 0
    end
end
return answers
