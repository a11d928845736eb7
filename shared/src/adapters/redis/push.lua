-- Hands tasks to a queue laid out as apalis-redis lays it out, straight onto its active list, and wakes a consumer.
-- KEYS: data hash, active list, prefix of the metadata hashes, counter of pushed tasks.
-- ARGV: wake channel, then task id and payload in turn.
-- A task that is still there is not pushed again. (docs/adr/0002)
local pushed = 0
for i = 2, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('HSET', KEYS[3] .. ':' .. ARGV[i], 'attempts', 0, 'max_attempts', 1, 'status', 'Pending')
    redis.call('RPUSH', KEYS[2], ARGV[i])
    pushed = pushed + 1
  end
end
if pushed > 0 then
  redis.call('INCRBY', KEYS[4], pushed)
  redis.call('PUBLISH', ARGV[1], pushed)
end
return pushed
