-- Tell a reader the log's head, the running text, and what it missed if all of it is still there.
--
-- KEYS  1 stream   2 meta
-- ARGV  1 stem of the turn's keys   2 epoch to begin if one must begin   3 reader's epoch or "" (from the start)
--       4 reader's seq   5 most frames to replay, 0: head only   6 "1": with the running text   7 meta TTL s
-- Gives {epoch, top, recovered, {id, {d, frame}}…, {turn, attempt, message, text}…}

local stream, meta = KEYS[1], KEYS[2]
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local known = redis.call('HMGET', meta, 'e', 'r', 'n')
local epoch, top = known[1], tonumber(known[3] or '0')
if not epoch or known[2] ~= run then
  redis.call('DEL', stream, meta)
  epoch, top = ARGV[2], 0
  redis.call('HSET', meta, 'e', epoch, 'r', run, 'n', 0)
end
redis.call('EXPIRE', meta, ARGV[7])

local partials = {}
if ARGV[6] == '1' then
  local fields = redis.call('HKEYS', meta)
  for i = 1, #fields do
    if string.sub(fields[i], 1, 2) == 'p:' then
      local turn = string.sub(fields[i], 3)
      local key = ARGV[1] .. epoch .. ':' .. turn
      local state = redis.call('HMGET', key, 'a', 'm')
      if state[2] then
        partials[#partials + 1] = {turn, state[1], state[2], redis.call('GET', key .. ':text') or ''}
      else
        redis.call('HDEL', meta, fields[i])
      end
    end
  end
end

local most, after = tonumber(ARGV[5]), tonumber(ARGV[4])
if most == 0 then return {epoch, top, 0, {}, partials} end
if ARGV[3] ~= '' and ARGV[3] ~= epoch or after > top or top - after > most then return {epoch, top, 0, {}, partials} end
if after == top then return {epoch, top, 1, {}, partials} end
local frames = redis.call('XRANGE', stream, (after + 1) .. '-0', '+', 'COUNT', most)
if #frames ~= top - after or frames[1][1] ~= (after + 1) .. '-0' then return {epoch, top, 0, {}, partials} end
return {epoch, top, 1, frames, partials}
