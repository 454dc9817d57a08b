-- Give a socket one of its user's places, keep it, or give it back.
--
-- KEYS  1 places of the user: a hash of place -> "<end of lease in ms> <connection>"
-- ARGV  1 "take" | "keep" | "free"   2 connection   3 lease ms   4 most places   5 place (keep, free)
-- Gives the place, or -1 when there is none.
--
-- The lowest free place is taken, so that a socket which comes back gets the place, and with it the rate-limit
-- bucket, that it left.

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local lease = string.format('%.0f %s', now + ARGV[3], ARGV[2])

local function holder(place)
  local entry = redis.call('HGET', KEYS[1], place)
  if not entry then return nil end
  local last, connection = string.match(entry, '^(%d+) (.*)$')
  if tonumber(last) < now then return nil end
  return connection
end

if ARGV[1] == 'take' then
  for place = 0, tonumber(ARGV[4]) - 1 do
    if not holder(place) then
      redis.call('HSET', KEYS[1], place, lease)
      redis.call('PEXPIRE', KEYS[1], ARGV[3])
      return place
    end
  end
  return -1
end

local held = holder(ARGV[5])
if ARGV[1] == 'free' then
  if held == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[5]) end
elseif not held or held == ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[5], lease)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return tonumber(ARGV[5])
