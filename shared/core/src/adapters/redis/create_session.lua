-- Keeps a session: KEYS[1] the user's sessions; ARGV: id, session, how long one lasts unused in ms, how many there may be.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[4]) then
    local all, oldest, used = redis.call('HGETALL', KEYS[1]), nil, nil
    for i = 1, #all, 2 do
        local at = cjson.decode(all[i + 1]).used
        if not used or at < used then
            oldest, used = all[i], at
        end
    end
    redis.call('HDEL', KEYS[1], oldest)
end
return 1
