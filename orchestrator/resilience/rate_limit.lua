-- Take one token out of each of several buckets, or out of none. GCRA: a bucket is one instant, its theoretical
-- arrival time; it is full while that instant lies in the past.
--
-- KEYS  the buckets   ARGV  rate per second and burst of each, in the order of KEYS
-- Gives how many milliseconds to wait; 0: all had one.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local arrivals, wait = {}, 0
for i, key in ipairs(KEYS) do
  local gap = 1000000 / ARGV[2 * i - 1]
  local arrival = math.max(tonumber(redis.call('GET', key) or '0'), now) + gap
  arrivals[i] = arrival
  wait = math.max(wait, arrival - now - gap * ARGV[2 * i])
end
-- Half a microsecond, as the instants are rounded when they are stored.
-- One more: the caller's clock is not Redis', and whoever waits as told must be let in.
if wait > 0.5 then return math.ceil(wait / 1000) + 1 end
for i, key in ipairs(KEYS) do
  -- Lua's own way to write a number keeps 14 digits, which is too few here.
  redis.call('SET', key, string.format('%.0f', arrivals[i]), 'PX', math.ceil((arrivals[i] - now) / 1000) + 1)
end
return 0
