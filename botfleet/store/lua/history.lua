-- Notes what became of a bot. Not a script by itself: it stands before those that change bots and statuses.
--
-- Key   botfleet:history:{bot's key}   list   HistoryEntry as JSON, the newest at its head   expires after `kept`
--
-- An entry is [TIME,...]; one that but for its time is as the newest tells nothing new. `most` is how many are
-- kept, `kept` for how many milliseconds.
local function note_change(key, entry, most, kept)
  if entry == '' then
    return
  end
  local newest = redis.call('LINDEX', key, 0)
  if newest and string.match(newest, ',.*') == string.match(entry, ',.*') then
    return
  end
  if redis.call('LPUSH', key, entry) > tonumber(most) then
    redis.call('LTRIM', key, 0, most - 1)
  end
  redis.call('PEXPIRE', key, kept)
end
