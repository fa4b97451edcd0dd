-- Appends an event to its lane, once. `generations.lua` and `lanes.lua` stand before it.
--
-- Keys
--   those of generations.lua and lanes.lua
--
-- ARGV
--   1   PREFIX
--   2   milliseconds for which a mark counts at least
--   3   how many marks there may be
--   4   the event's mark
--   5   the lane
--   6   the queue for its wake-ups
--   7   the envelope
--
-- Returns 1, or 0 where the event was appended before.

local open = open_generations(ARGV[1] .. 'botfleet:seen', tonumber(ARGV[2]), tonumber(ARGV[3]))
if marked(open, 4, 4)[1] then
    return 0
end
append(ARGV[1], open.now, ARGV[5], ARGV[6], {ARGV[7]})
mark(open, {ARGV[4]})
return 1
