-- Pushes the task messages of a batch of events, each event once.
--
-- Keys
--   botfleet:seen:EVENT   string "1", expires after ARGV[1] ms: the event was pushed
--   QUEUE                 list: Celery's queue, read from its right end
--
-- ARGV
--   1   milliseconds for which a mark is kept
--   then sections, each one of
--       "E", k, n, k queues, and n times: the mark's key, k messages (one for each queue)
--       "B", a queue, a message's head and tail, n, and n times: the mark's key, the event in base64;
--            one message carries those of the n events that are new, with separators between them
--   A mark's key is "" for an event whose copies can't be told.
--
-- Returns how many events were new. The messages of one queue go in by LPUSH in the events' order. Marks and
-- pushes are one atomic step, so that a crash can neither lose an event nor double it.

local ttl = ARGV[1]
local lists, order, new = {}, {}, 0

local function is_new(mark)
    if mark == '' or redis.call('SET', mark, '1', 'NX', 'PX', ttl) then
        new = new + 1
        return true
    end
    return false
end

local function add(queue, message)
    local list = lists[queue]
    if not list then
        list = {}
        lists[queue] = list
        order[#order + 1] = queue
    end
    list[#list + 1] = message
end

-- Both take the place of a section in ARGV and return that of the next.

local function push_events(at)
    local k, n = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local event = at + 3 + k
    for _ = 1, n do
        if is_new(ARGV[event]) then
            for q = 1, k do
                add(ARGV[at + 2 + q], ARGV[event + q])
            end
        end
        event = event + 1 + k
    end
    return event
end

local function push_bundle(at)
    local n, parts = tonumber(ARGV[at + 4]), {}
    for event = at + 5, at + 3 + 2 * n, 2 do
        if is_new(ARGV[event]) then
            parts[#parts + 1] = ARGV[event + 1]
        end
    end
    if #parts > 0 then
        -- "ICAs" is "  ," in base64.
        add(ARGV[at + 1], ARGV[at + 2] .. table.concat(parts, 'ICAs') .. ARGV[at + 3])
    end
    return at + 5 + 2 * n
end

local at = 2
while at <= #ARGV do
    if ARGV[at] == 'E' then
        at = push_events(at)
    else
        at = push_bundle(at)
    end
end
for _, queue in ipairs(order) do
    local list = lists[queue]
    for first = 1, #list, 1000 do
        redis.call('LPUSH', queue, unpack(list, first, math.min(first + 999, #list)))
    end
end
return new
