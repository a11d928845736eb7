-- Says that this worker lives, and puts what dead workers held back onto the active list.
-- KEYS: workers set, active list, prefix of the inflight sets. ARGV: now, worker name, seconds until a silent worker is dead.
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
return recovered
