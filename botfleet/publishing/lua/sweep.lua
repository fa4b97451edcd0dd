-- Finds lanes that have events, and that nobody works on as it seems. `lanes.lua` stands before it.
--
-- Keys
--   those of lanes.lua
--
-- ARGV
--   1   PREFIX
--   2   how many it looks at, at the most
--
-- Returns for each: the lane, its queue, the id of the event at its head, how many events it has, and how often it
-- was found, this time too, since a run had it. Each time it is left alone for twice as long, up to an hour: its
-- wake-ups may stand in a long queue.

local prefix, found = ARGV[1], {}
local index, now = prefix .. 'botfleet:lanes', server_time()
for _, lane in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', 0, ARGV[2])) do
    local events, state = keys_of(prefix, lane)
    local head = redis.call('LINDEX', events, 0)
    if head then
        local woken = redis.call('HINCRBY', state, 'woken', 1)
        redis.call('ZADD', index, now + math.min(GRACE * 2 ^ (woken - 1), 3600 * 1000), lane)
        local queue = redis.call('HGET', state, 'queue') or ''
        found[#found + 1] = {lane, queue, id_of(head), redis.call('LLEN', events), woken}
    else
        forget(prefix, lane)
    end
end
return found
