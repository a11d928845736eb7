-- Writes another tier into all sessions of a user: KEYS[1] the sessions; ARGV: the tier.
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
    local session = cjson.decode(all[i + 1])
    session.tier = ARGV[1]
    redis.call('HSET', KEYS[1], all[i], cjson.encode(session))
end
return 1
