-- The heartbeat: registers this worker, and requeues the jobs of dead workers, and those that were sent to this one and never
-- arrived (the answer to a fetch timed out). Called while no fetch is in flight.
-- KEYS: workers set, active list, prefix of the inflight sets.
-- ARGV: now, worker name, seconds until a silent worker is dead, then the tasks that have started here.
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
local recovered = 0
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1] - ARGV[3])) do
  local inflight = KEYS[3] .. ':' .. worker
  for _, id in ipairs(redis.call('SMEMBERS', inflight)) do
    redis.call('RPUSH', KEYS[2], id)
    recovered = recovered + 1
  end
  redis.call('DEL', inflight)
  redis.call('ZREM', KEYS[1], worker)
end
local own = KEYS[3] .. ':' .. ARGV[2]
if redis.call('SCARD', own) > 0 then
  local started = {}
  for i = 4, #ARGV do
    started[ARGV[i]] = true
  end
  for _, id in ipairs(redis.call('SMEMBERS', own)) do
    if not started[id] then
      redis.call('SREM', own, id)
      redis.call('LPUSH', KEYS[2], id)
      recovered = recovered + 1
    end
  end
end
return recovered
