-- Closes a request's log to an attempt, but for the event of its end, and returns what is in it.
-- KEYS: the log. ARGV: the last cursor but one of the attempt, time to live in ms.
local sealed = redis.pcall('XADD', KEYS[1], ARGV[1], 'sealed', '1')
if type(sealed) == 'table' and sealed.err and not string.find(sealed.err, 'equal or smaller', 1, true) then
  return redis.error_reply(sealed.err)
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local frames = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  if entry[2][1] == 'e' then
    table.insert(frames, entry[2][2])
  end
end
return frames
