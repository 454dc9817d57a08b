-- One breaker's table, for all workers. `breaker_states.py` is the same table in Python and says what it means; a test
-- feeds both with the same events.
--
-- KEYS  1 record   2 index of all breakers, by their last change
-- ARGV  1 name   2 "ask", or "" to report only   3 now in ms, or "" for the server's own clock   4 a chance in [0, 1)
--       5 this call's token if it becomes the probe
--       what is reported:  6 ok   7 failed   8 limited   9 told ms   10 token
--       the policy:  11 failures   12 rate   13 least calls   14 window ms   15 cool ms   16 cool most ms   17 probe ms
--       18 TTL of the record ms
-- Gives {state before, state, allowed, token, wait ms, streak, opened}

local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local chance = tonumber(ARGV[4])
local said = {ok = tonumber(ARGV[6]), failed = tonumber(ARGV[7]), limited = tonumber(ARGV[8]),
              told = tonumber(ARGV[9]), token = ARGV[10]}
local policy = {failures = tonumber(ARGV[11]), rate = tonumber(ARGV[12]), least = tonumber(ARGV[13]),
                window = tonumber(ARGV[14]), cool = tonumber(ARGV[15]), most = tonumber(ARGV[16]),
                probe = tonumber(ARGV[17])}

local names = {'state', 'since', 'until', 'cool', 'token', 'streak', 'window', 'ok', 'failed', 'ok_before',
               'failed_before', 'opened'}
local kept = redis.call('HMGET', KEYS[1], unpack(names))
local r = {}
for i, name in ipairs(names) do
  r[name] = name ~= 'state' and name ~= 'token' and tonumber(kept[i] or '0') or kept[i]
end
r.state, r.token = r.state or 'closed', r.token or ''
local before, dirty = r.state, false

local function open()
  local highest = math.max(policy.cool, 3 * r.cool)
  r.cool = math.min(policy.most, math.floor(policy.cool + chance * (highest - policy.cool)))
  r.state, r.since, r.token = 'open', now, ''
  r['until'] = now + math.max(r.cool, math.min(said.told, policy.most))
  r.opened = r.opened + 1
end

local function close()
  local window, opened = r.window, r.opened
  r = {state = 'closed', since = now, ['until'] = 0, cool = 0, token = '', streak = 0, window = window, ok = 0,
       failed = 0, ok_before = 0, failed_before = 0, opened = opened}
end

local function tell()
  local window, bad = math.floor(now / policy.window), said.failed + said.limited
  dirty = true
  if window > r.window then
    local follows = window == r.window + 1
    r.ok_before, r.failed_before = follows and r.ok or 0, follows and r.failed or 0
    r.window, r.ok, r.failed = window, 0, 0
  end
  if r.state == 'half_open' and said.token ~= '' then
    if said.ok > 0 then
      close()
    elseif said.token == r.token then
      if bad > 0 then
        open()
      else
        r.state, r.since, r['until'], r.token = 'open', now, now, ''
      end
    end
    return
  end
  if r.state ~= 'closed' then return end
  r.streak = said.ok > 0 and bad or r.streak + bad
  r.ok, r.failed = r.ok + said.ok, r.failed + said.failed
  local failed = r.failed + r.failed_before
  local calls = failed + r.ok + r.ok_before
  local share = said.failed > 0 and calls >= policy.least and failed >= policy.rate * calls
  if bad > 0 and (r.streak >= policy.failures or share) then open() end
end

if said.ok + said.failed + said.limited > 0 or said.token ~= '' then tell() end

local allowed, token, wait = 1, '', r.state ~= 'closed' and math.max(0, r['until'] - now) or 0
if ARGV[2] == 'ask' and r.state ~= 'closed' then
  local left = r['until'] - now
  local longest = r.state == 'open' and policy.most or policy.probe
  if left > 0 and left <= longest then
    allowed = 0
    wait = r.state == 'open' and left or math.min(left, policy.cool)
  else
    token, wait, dirty = ARGV[5], 0, true
    r.state, r.since, r['until'], r.token = 'half_open', now, now + policy.probe, token
  end
end

if dirty then
  local values = {}
  for i, name in ipairs(names) do
    values[2 * i - 1], values[2 * i] = name, r[name]
  end
  redis.call('HSET', KEYS[1], unpack(values))
  redis.call('PEXPIRE', KEYS[1], ARGV[18])
  redis.call('ZADD', KEYS[2], now, ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[18])
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[18])
end
return {before, r.state, allowed, token, wait, r.streak, r.opened}
