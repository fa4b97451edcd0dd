-- Pushes the task messages of a batch of events, each event once. `generations.lua` and `lanes.lua` stand
-- before it.
--
-- Keys
--   those of generations.lua and lanes.lua
--   QUEUE   list: Celery's queue, read from its right end
--
-- ARGV
--   1   PREFIX
--   2   milliseconds for which a mark counts at least
--   3   how many marks there may be
--   4   what the messages' tags begin with; a number is added, from the next one on
--   5   the number of the first message's tag
--   6   how many events there are, then the mark of each, in their order below
--   then sections, each one of
--       "E", k, n, k templates, and n events: id, body, and a time of expiry for each of the templates that has
--            a place for it
--       "B", a template, an id, a time of expiry ("" without a place for it), n, and the bodies of n events;
--            one message carries those of them that are new
--       "O", a template, n, and n events for an ordered handler: lane, envelope, id, body of its wake-up
--   A template is: its queue, the letters of its places, and the literals before, between and after them.
--   Places: B the body (base64), I the id, X the time of expiry, T the tag.
--
-- Returns how many events were new. The messages of one queue go in by LPUSH in the events' order. Marks and
-- pushes are one atomic step, so that a crash can neither lose an event nor double it. Nothing is written before
-- everything was looked at: where a queue's key is taken by something else, nothing is done at all.

local tag, number, count = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local open = open_generations(ARGV[1] .. 'botfleet:seen', tonumber(ARGV[2]), tonumber(ARGV[3]))
local before = marked(open, 7, 6 + count)
local lists, order, new, twice, at_mark = {}, {}, {}, {}, 0
local lanes, lane_order = {}, {}

-- Goes on to the next event; tells whether it is new.
local function is_new()
    at_mark = at_mark + 1
    local its = ARGV[6 + at_mark]
    if before[at_mark] or twice[its] then
        return false
    end
    twice[its] = true
    new[#new + 1] = its
    return true
end

-- Reads a template at a place in ARGV; returns it and the place after it.
local function read_template(at)
    local codes = ARGV[at + 1]
    local template = {queue = ARGV[at], slots = {}, parts = {ARGV[at + 2]}}
    for i = 1, #codes do
        local code = codes:sub(i, i)
        template.slots[i] = {2 * i, code}
        template.expires = template.expires or code == 'X'
        template.parts[2 * i + 1] = ARGV[at + 2 + i]
    end
    return template, at + 3 + #codes
end

-- Puts a message together and keeps it for its queue.
local function add(template, values)
    values.T = tag .. number
    number = number + 1
    for _, slot in ipairs(template.slots) do
        template.parts[slot[1]] = values[slot[2]]
    end
    local list = lists[template.queue]
    if not list then
        list = {}
        lists[template.queue] = list
        order[#order + 1] = template.queue
    end
    list[#list + 1] = table.concat(template.parts)
end

-- These take the place of a section in ARGV and return that of the next.

local function push_events(at)
    local k, n = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    local templates, expiring = {}, 0
    at = at + 3
    for t = 1, k do
        templates[t], at = read_template(at)
        expiring = expiring + (templates[t].expires and 1 or 0)
    end
    local values = {}
    for _ = 1, n do
        if is_new() then
            values.I, values.B = ARGV[at], ARGV[at + 1]
            local expiry = at + 2
            for _, template in ipairs(templates) do
                if template.expires then
                    values.X = ARGV[expiry]
                    expiry = expiry + 1
                end
                add(template, values)
            end
        end
        at = at + 2 + expiring
    end
    return at
end

local function push_bundle(at)
    local template
    template, at = read_template(at + 1)
    local id, expiry, n, bodies = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), {}
    for event = at + 3, at + 2 + n do
        if is_new() then
            bodies[#bodies + 1] = ARGV[event]
        end
    end
    if #bodies > 0 then
        -- "ICAs" is "  ," in base64.
        add(template, {I = id, X = expiry, B = table.concat(bodies, 'ICAs')})
    end
    return at + 3 + n
end

-- Keeps an event for its lane.
local function stand(lane, queue, envelope)
    local entries = lanes[lane]
    if not entries then
        entries = {queue = queue:sub(#ARGV[1] + 1)}
        lanes[lane] = entries
        lane_order[#lane_order + 1] = lane
    end
    entries[#entries + 1] = envelope
end

local function push_ordered(at)
    local template
    template, at = read_template(at + 1)
    local n, values = tonumber(ARGV[at]), {}
    for event = at + 1, at + 4 * n, 4 do
        if is_new() then
            stand(ARGV[event], template.queue, ARGV[event + 1])
            values.I, values.B = ARGV[event + 2], ARGV[event + 3]
            add(template, values)
        end
    end
    return at + 1 + 4 * n
end

local push = {E = push_events, B = push_bundle, O = push_ordered}
local at = 7 + count
while at <= #ARGV do
    at = push[ARGV[at]](at)
end

-- Tells what is wrong with a key that is to be a list; nil where nothing is.
local function mistaken(key)
    local kind = redis.call('TYPE', key).ok
    if kind ~= 'none' and kind ~= 'list' then
        return redis.error_reply('WRONGTYPE the key of the list ' .. key .. ' is a ' .. kind)
    end
end

for _, queue in ipairs(order) do
    local mistake = mistaken(queue)
    if mistake then
        return mistake
    end
end
for _, lane in ipairs(lane_order) do
    local mistake = mistaken((keys_of(ARGV[1], lane)))
    if mistake then
        return mistake
    end
end
mark(open, new)
for _, lane in ipairs(lane_order) do
    append(ARGV[1], open.now, lane, lanes[lane].queue, lanes[lane])
end
for _, queue in ipairs(order) do
    local list = lists[queue]
    for first = 1, #list, 1000 do
        redis.call('LPUSH', queue, unpack(list, first, math.min(first + 999, #list)))
    end
end
return #new
