-- Lanes: the events of ordered handlers, each lane's one after another. Not a script by itself: it stands before
-- those that work on lanes.
--
-- Keys
--   PREFIX botfleet:lane:LANE         list: the events' envelopes, the oldest at its head; expires
--   PREFIX botfleet:lane-state:LANE   hash; expires. All fields but the first may be missing:
--       queue      where the lane's wake-ups go
--       holder     the run that has the lane, and
--       until      when it has lost it, unless it says something before (ms by the server's clock)
--       failures   how often the event at the head has failed, and
--       resume     when it may be tried again (ms)
--       lost       how many runs in a row had it, and never said what became of it
--       woken      how often the sweep has woken the lane since a run had it
--   PREFIX botfleet:lanes             sorted set: lanes that have events, by when the sweep looks at them (ms)
--
-- A lane is TASK:BOT:VALUE. One without events has no key. One that no run has looked at for a week is forgotten.

local WEEK = 7 * 24 * 3600 * 1000
-- How long the sweep trusts in a wake-up: one may wait in a queue, or be lost with the worker that had fetched it.
local GRACE = 10 * 1000

local function server_time()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The keys of a lane's events and of its state.
local function keys_of(prefix, lane)
    return prefix .. 'botfleet:lane:' .. lane, prefix .. 'botfleet:lane-state:' .. lane
end

-- Says that something happened to a lane, and when the sweep is to look at it.
local function keep(prefix, lane, look_at)
    local events, state = keys_of(prefix, lane)
    redis.call('PEXPIRE', events, WEEK)
    redis.call('PEXPIRE', state, WEEK)
    redis.call('ZADD', prefix .. 'botfleet:lanes', look_at, lane)
end

local function forget(prefix, lane)
    redis.call('DEL', keys_of(prefix, lane))
    redis.call('ZREM', prefix .. 'botfleet:lanes', lane)
end

local function append(prefix, now, lane, queue, entries)
    local events, state = keys_of(prefix, lane)
    local length = 0
    for first = 1, #entries, 1000 do
        length = redis.call('RPUSH', events, unpack(entries, first, math.min(first + 999, #entries)))
    end
    if length == #entries then
        redis.call('HSET', state, 'queue', queue)
        keep(prefix, lane, now + GRACE)
    end
end

-- The id of an event, which stands first in its envelope.
local function id_of(entry)
    return entry:match('^{"id":%s*"([^"\\]*)"') or '?'
end

