-- Hands back the jobs that this worker has fetched and not started: to the front of the active list, waking other workers.
-- KEYS: the worker's inflight set, active list. ARGV: wake channel, tier, then the tasks that have started.
local started = {}
for i = 3, #ARGV do
  started[ARGV[i]] = true
end
local back = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if not started[id] then
    table.insert(back, id)
  end
end
-- Names begin with the time of asking: the oldest goes in last, to be first.
table.sort(back, function(a, b) return a > b end)
for _, id in ipairs(back) do
  redis.call('SREM', KEYS[1], id)
  redis.call('LPUSH', KEYS[2], id)
end
if #back > 0 then
  redis.call('PUBLISH', ARGV[1], ARGV[2])
end
return #back
