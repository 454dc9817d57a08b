-- Who has a conversation open, over all gateways, and when nobody has any more.
--
-- KEYS  1 connections of the conversation: a hash of id -> end of its lease in ms   2 what is due: a sorted set
-- ARGV  1 "join" | "keep" | "leave"   2 connection   3 lease ms   4 delay ms after the last has left
--       5 member of the sorted set   6 "cancel" | "continue"   7 delay ms when Redis has forgotten who asked
--
-- A conversation is in the sorted set as long as somebody asked for `cancel`: its score is the instant at which that
-- acts unless somebody keeps it. So the gateway that asked may die: any other finds it due.

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local others = 0
local entries = redis.call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  if tonumber(entries[i + 1]) < now then
    redis.call('HDEL', KEYS[1], entries[i])
  elseif entries[i] ~= ARGV[2] then
    others = others + 1
  end
end
local asked = redis.call('ZSCORE', KEYS[2], ARGV[5])

if ARGV[1] == 'leave' then
  redis.call('HDEL', KEYS[1], ARGV[2])
  if others == 0 then
    if asked then
      redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[5])
    elseif ARGV[6] == 'cancel' then
      -- This one asked, and Redis has forgotten it, perhaps with others that have the conversation open: those say so
      -- with their next renewal, which then comes first.
      redis.call('ZADD', KEYS[2], now + math.max(tonumber(ARGV[4]), tonumber(ARGV[7])), ARGV[5])
    end
  end
  return others
end

local last = now + ARGV[3]
redis.call('HSET', KEYS[1], ARGV[2], last)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if ARGV[6] == 'cancel' then
  redis.call('ZADD', KEYS[2], last, ARGV[5])
elseif asked then
  -- Whoever comes back alone and does not ask for it again takes the wish back.
  if ARGV[1] == 'join' and others == 0 then
    redis.call('ZREM', KEYS[2], ARGV[5])
  else
    redis.call('ZADD', KEYS[2], last, ARGV[5])
  end
end
return others
