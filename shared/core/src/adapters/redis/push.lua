-- Hands tasks to a queue laid out as apalis-redis lays it out, straight onto its active list, and wakes the
-- consumers of its tier.
-- KEYS: data hash, active list, prefix of the metadata hashes, counter of pushed tasks.
-- ARGV: wake channel, tier, LPUSH or RPUSH, then task id and payload in turn.
-- A task that is still there is not pushed again. (docs/adr/0002)
local pushed = 0
for i = 4, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('HSET', KEYS[3] .. ':' .. ARGV[i], 'attempts', 0, 'max_attempts', 1, 'status', 'Pending')
    redis.call(ARGV[3], KEYS[2], ARGV[i])
    pushed = pushed + 1
  end
end
if pushed > 0 then
  redis.call('INCRBY', KEYS[4], pushed)
  redis.call('PUBLISH', ARGV[1], ARGV[2])
end
return pushed
