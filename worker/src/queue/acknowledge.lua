-- Removes finished tasks from the queue altogether, so that Redis holds only what is still to be done.
-- KEYS: the worker's inflight set, data hash, prefix of the metadata hashes, counter of finished tasks. ARGV: task ids.
-- One whose removal was asked for before, and the answer lost, is not counted again.
redis.call('SREM', KEYS[1], unpack(ARGV))
redis.call('INCRBY', KEYS[4], redis.call('HDEL', KEYS[2], unpack(ARGV)))
for _, id in ipairs(ARGV) do
  redis.call('DEL', KEYS[3] .. ':' .. id)
end
return #ARGV
