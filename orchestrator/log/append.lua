-- Append one event to a conversation's log. Design decision 5; read `writer.py` beside it.
--
-- KEYS  1 stream   2 meta
-- ARGV  1 stem of the turn's keys   2 channel   3 epoch to begin if one must begin
--       4 turn   5 fence   6 rank   7 idempotency key or ""   8 kind: event | start | delta | end
--       9 frame without its closing brace   10 event type   11 message (start, delta)   12 attempt
--       13 text of a delta   14 its index   15 its length, both in code points
--       16 "1": the caller has just read the fence from PostgreSQL
--       17 stream length kept   18 stream TTL s   19 meta TTL s
-- Gives {verdict, epoch, seq, fresh, have}

local stream, meta = KEYS[1], KEYS[2]
local fence, rank, kind = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[8]

-- A restart with older data would hand out numbers that readers have already seen with other contents, so the
-- epoch belongs to one run of the server. INFO costs about 14 microseconds here.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local known = redis.call('HMGET', meta, 'e', 'r', 'n')
local epoch, top, fresh = known[1], tonumber(known[3] or '0'), 0
if not epoch or known[2] ~= run then
  redis.call('DEL', stream, meta)
  epoch, top, fresh = ARGV[3], 0, 1
  redis.call('HSET', meta, 'e', epoch, 'r', run, 'n', 0)
  redis.call('EXPIRE', meta, ARGV[19])
end

-- The epoch is part of the turn's keys: a new one forgets fences, keys and text without having to find them.
local turn = ARGV[1] .. epoch .. ':' .. ARGV[4]
local text = turn .. ':text'
local state = redis.call('HMGET', turn, 'f', 'k', 'c', 'l', 'x:' .. ARGV[7], 'm')
local have = tonumber(state[4] or '0')

local function answer(verdict, seq) return {verdict, epoch, seq or top, fresh, have} end

if not state[1] then
  if ARGV[16] ~= '1' then return answer('NEED_FENCE') end
else
  if ARGV[7] ~= '' and state[5] then return answer('DUP', tonumber(state[5])) end
  if state[3] then return answer('CLOSED') end
  if fence < tonumber(state[1]) then return answer('FENCED') end
  if fence == tonumber(state[1]) and rank < tonumber(state[2]) then return answer('LATE') end
end
if not state[1] or fence > tonumber(state[1]) then
  redis.call('DEL', text)
  redis.call('HSET', turn, 'f', fence, 'k', -1, 'l', 0)
  have = 0
end

if kind == 'delta' then
  local index, length = tonumber(ARGV[14]), tonumber(ARGV[15])
  -- A delta is known by its place, so it needs no key: all there is a repeat, a hole or an overlap is the writer's to mend.
  if state[6] ~= ARGV[11] then have = 0 return answer('GAP') end
  if index + length <= have then return answer('DUP') end
  if index ~= have then return answer('GAP') end
  redis.call('APPEND', text, ARGV[13])
  redis.call('EXPIRE', text, ARGV[18])
  have = have + length
  redis.call('HSET', turn, 'l', have)
elseif kind == 'start' then
  redis.call('DEL', text)
  redis.call('HSET', turn, 'm', ARGV[11], 'a', ARGV[12], 'l', 0)
  redis.call('HSET', meta, 'p:' .. ARGV[4], 1)
  have = 0
elseif kind == 'end' then
  redis.call('DEL', text)
  redis.call('HSET', turn, 'c', 1)
  redis.call('HDEL', meta, 'p:' .. ARGV[4])
end

top = top + 1
local frame = ARGV[9] .. ',"seq":' .. top .. ',"epoch":"' .. epoch .. '"}'
redis.call('HSET', meta, 'n', top)
redis.call('HSET', turn, 'k', rank)
if ARGV[7] ~= '' then redis.call('HSET', turn, 'x:' .. ARGV[7], top) end
redis.call('XADD', stream, 'MAXLEN', '~', ARGV[17], top .. '-0', 'd', frame)
redis.call('EXPIRE', stream, ARGV[18])
redis.call('EXPIRE', meta, ARGV[19])
redis.call('EXPIRE', turn, ARGV[18])
redis.call('PUBLISH', ARGV[2], cmsgpack.pack({type = 'log.event', seq = top, epoch = epoch, event = ARGV[10], frame = frame}))
return answer('OK', top)
