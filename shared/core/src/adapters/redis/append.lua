-- Appends events to a request's log and publishes them, fenced by the log's own order.
-- KEYS: the log, the channel. ARGV: publish command, time to live in ms, whether the first event stands by itself, then
-- cursor and frame in turn.
-- Returns 1, or 0 when a newer attempt has written, or 2 where Redis has lost the log that the events continue: whoever
-- came after that would be told the end of a text without its beginning. An entry that is there already, to the byte, was
-- appended by an earlier call whose answer got lost: it is passed over.
if ARGV[3] == '0' then
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  -- Or there are but the words of an older attempt, which wrote on after the loss.
  if not last or tonumber(string.match(last[1], '^%d+')) < tonumber(string.match(ARGV[4], '^%d+')) then
    return 2
  end
end
for i = 4, #ARGV, 2 do
  local added = redis.pcall('XADD', KEYS[1], ARGV[i], 'e', ARGV[i + 1])
  if type(added) == 'table' and added.err then
    if not string.find(added.err, 'equal or smaller', 1, true) then
      return redis.error_reply(added.err)
    end
    local there = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])
    if #there == 0 or there[1][2][2] ~= ARGV[i + 1] then
      return 0
    end
  else
    redis.call(ARGV[1], KEYS[2], ARGV[i + 1])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
