-- Uses a session: KEYS[1] the user's sessions; ARGV: id, digest of the secret, now and how long one lasts unused, in ms.
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if not kept then
    return false
end
local session, now, idle = cjson.decode(kept), tonumber(ARGV[3]), tonumber(ARGV[4])
if session.digest ~= ARGV[2] then
    return false
end
if session.used + idle <= now or session.ends <= now then
    redis.call('HDEL', KEYS[1], ARGV[1])
    return false
end
session.used = math.max(session.used, now)
kept = cjson.encode(session)
redis.call('HSET', KEYS[1], ARGV[1], kept)
redis.call('PEXPIRE', KEYS[1], idle)
return kept
