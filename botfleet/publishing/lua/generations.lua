-- Marks of what was pushed, in generations. Not a script by itself: it stands before the others of this folder.
--
-- Keys
--   PREFIX botfleet:seen     hash: generation, the number of the one that takes new marks, and since, when it
--                            began (ms by the server's clock); expires
--   PREFIX botfleet:seen:N   set of the marks that came in generation N; expires
--
-- A generation ends after half of the ttl, or when it holds a third of the marks that there may be. A mark
-- counts while its generation is one of the last three: for one ttl at least, and one and a half at the most.
-- It ends sooner only if more marks than a third of the bound came after it, and within half a ttl only if it
-- was two thirds. What is older is unlinked by whoever marks next; the expiry of the keys is for a fleet at
-- rest, and later, since a server may delete what expires while all others wait.

local PART = 1000

-- Reads where the generations are; writes nothing.
local function open_generations(base, ttl, bound)
    local time = redis.call('TIME')
    local state = redis.call('HMGET', base, 'generation', 'since')
    local now, half = time[1] * 1000 + math.floor(time[2] / 1000), math.ceil(ttl / 2)
    local generation, began = tonumber(state[1]) or 0, tonumber(state[2])
    -- Not in the future: the server's clock may have been set back.
    local since = math.min(began or now, now)
    local ended = math.floor((now - since) / half)
    return {
        base = base, ttl = ttl, third = math.max(1, math.floor(bound / 3)), now = now,
        generation = generation + ended, since = since + ended * half,
        -- The generation that the hash has; false where the hash is to be written anyhow.
        written = began == since and generation,
    }
end

-- Tells which of ARGV[first] to ARGV[last] are marked: {[1] = true} is the first of them.
local function marked(open, first, last)
    local found = {}
    for start = first, last, PART do
        local stop = math.min(start + PART - 1, last)
        for generation = open.generation - 2, open.generation do
            local key = open.base .. ':' .. generation
            for at, answer in ipairs(redis.call('SMISMEMBER', key, unpack(ARGV, start, stop))) do
                if answer == 1 then
                    found[start - first + at] = true
                end
            end
        end
    end
    return found
end

local function write_generation(open)
    redis.call('HSET', open.base, 'generation', open.generation, 'since', open.since)
    redis.call('PEXPIRE', open.base, 3 * open.ttl)
    if open.written then
        for old = open.written - 2, math.min(open.written, open.generation - 3) do
            redis.call('UNLINK', open.base .. ':' .. old)
        end
    end
    open.written = open.generation
end

-- Marks what was not marked.
local function mark(open, new)
    local first, size = 1, redis.call('SCARD', open.base .. ':' .. open.generation)
    while first <= #new do
        if size >= open.third then
            open.generation, open.since, size = open.generation + 1, open.now, 0
        end
        if open.written ~= open.generation then
            write_generation(open)
        end
        local key = open.base .. ':' .. open.generation
        local last = math.min(first + math.min(PART, open.third - size) - 1, #new)
        redis.call('SADD', key, unpack(new, first, last))
        if size == 0 then
            redis.call('PEXPIRE', key, 2 * open.ttl)
        end
        size = size + last - first + 1
        first = last + 1
    end
end

