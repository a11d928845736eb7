-- Counts a call against several limits at once, or against none of them (shared/core/src/quota.rs).
-- KEYS: one of each limit. ARGV: of each, the microseconds that a call costs, and how many may be owed.
-- A key holds the moment at which nothing is owed any more. The clock is Redis's: those of the servers differ.
-- Returns the number of the limit that refuses (0 where none does), how long it does, and what is owed to each.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local owed, refusing, wait = {}, 0, 0
for i = 1, #KEYS do
  local cost, most = tonumber(ARGV[i * 2 - 1]), tonumber(ARGV[i * 2])
  local paid_at = tonumber(redis.call('GET', KEYS[i]) or 0)
  -- Never more than may be owed: the clock may have been set back, or the limit have been wider.
  owed[i] = math.min(math.max(paid_at - now, 0), most)
  local over = owed[i] + cost - most
  if over > wait then
    refusing, wait = i, over
  end
end
if refusing == 0 then
  for i = 1, #KEYS do
    owed[i] = owed[i] + tonumber(ARGV[i * 2 - 1])
    -- Lua's own form of so large a number is not exact.
    redis.call('SET', KEYS[i], string.format('%.0f', now + owed[i]), 'PX', math.ceil(owed[i] / 1000))
  end
end
return {refusing, wait, unpack(owed)}
