-- Writes rows of a cache, and keeps the index of their names in step.
--
-- KEYS  1  botfleet:cache:{name}   hash   id -> "names \0 row"; "=" .. name -> ids, by spaces   when it expires
-- ARGV  1  milliseconds that the cache lives from now on; 0: as long as it would, and only if it is there
--       2… id, names (by line feeds) and row, for each; an empty row removes the id
-- Returns 1, or 0 where it was not there and nothing was written.
local key, ttl = KEYS[1], tonumber(ARGV[1])

if ttl == 0 and redis.call('EXISTS', key) == 0 then
  return 0
end

local function ids_without(field, id)
  local ids = {}
  for each in string.gmatch(redis.call('HGET', key, field) or '', '%S+') do
    if each ~= id then
      ids[#ids + 1] = each
    end
  end
  return ids
end

local function change(names, id, add)
  for name in string.gmatch(names, '[^\n]+') do
    local ids = ids_without('=' .. name, id)
    if add then
      ids[#ids + 1] = id
    end
    if #ids > 0 then
      redis.call('HSET', key, '=' .. name, table.concat(ids, ' '))
    else
      redis.call('HDEL', key, '=' .. name)
    end
  end
end

for n = 2, #ARGV, 3 do
  local id, names, row = ARGV[n], ARGV[n + 1], ARGV[n + 2]
  local old = redis.call('HGET', key, id)
  if old then
    change(string.match(old, '^%Z*'), id, false)
  end
  if row ~= '' then
    redis.call('HSET', key, id, names .. '\0' .. row)
    change(names, id, true)
  else
    redis.call('HDEL', key, id)
  end
end
if ttl > 0 then
  redis.call('PEXPIRE', key, ttl)
end
return 1
