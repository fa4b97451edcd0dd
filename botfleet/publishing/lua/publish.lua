-- Pushes the task messages of a batch of events, each event once.
--
-- Keys
--   botfleet:seen:EVENT   string "1", expires after ARGV[1] ms: the event was pushed
--   QUEUE                 list: Celery's queue, read from its right end
--
-- ARGV
--   1   milliseconds for which a mark is kept
--   then for each event, in order:
--       the mark's key, or "" for an event whose copies can't be told
--       n, the number of its messages
--       n pairs: the queue's key, the message
--
-- Returns how many events were new. The messages of one queue go in by LPUSH in the events' order. Marks and
-- pushes are one atomic step, so that a crash can neither lose an event nor double it.

local ttl = ARGV[1]
local queues, order, new = {}, {}, 0
local i = 2
while i <= #ARGV do
    local mark, count = ARGV[i], tonumber(ARGV[i + 1])
    i = i + 2
    if mark == '' or redis.call('SET', mark, '1', 'NX', 'PX', ttl) then
        new = new + 1
        for at = i, i + 2 * count - 2, 2 do
            local messages = queues[ARGV[at]]
            if not messages then
                messages = {}
                queues[ARGV[at]] = messages
                order[#order + 1] = ARGV[at]
            end
            messages[#messages + 1] = ARGV[at + 1]
        end
    end
    i = i + 2 * count
end
for _, queue in ipairs(order) do
    local messages = queues[queue]
    for first = 1, #messages, 1000 do
        redis.call('LPUSH', queue, unpack(messages, first, math.min(first + 999, #messages)))
    end
end
return new
