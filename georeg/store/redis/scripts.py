"""The scripts that touch a slice's data. Each checks the fence first, and does all or nothing.

A slice's data are six keys with one hash tag:

    meta     hash: fence, attempt, format, incarnation, peer:NUMBER
    sessions, kicks, plans, heard, homes    hashes: see records.py
    ends     sorted set: sessions of kicks by their expiry

Who runs a slice has a fence from its lock. `take` moves the fence of the data up to it: from then
on nothing of an earlier owner is accepted, also what it sent before it was paused. Every commit
carries the number of its attempt, which only grows, and the highest one that was confirmed. So a
commit that is late, because its connection hung, is left aside once a later one has been made
(which holds all that it held); and data that went back in time, because a replica took over that
had not heard of the last commits, are noticed: their attempt is lower than what was confirmed.
"""

from typing import Final

from georeg.store.redis.client import Script

KEYS: Final = ("meta", "sessions", "kicks", "ends", "plans", "heard", "homes")
FORMAT: Final = 1

DONE: Final = b"done"
FENCED: Final = b"fenced"
LOST: Final = b"lost"
NEWER: Final = b"newer"

_NOW: Final = """
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
"""

# ARGV: fence, format, least incarnation, 1 to forget sessions and times, attempt to go on from.
# Gives {done, now_ms, incarnation, attempt, what meta was before, as pairs}.
TAKE: Final = Script(f"""{_NOW}
local meta = redis.call('HMGET', KEYS[1], 'fence', 'format', 'incarnation', 'attempt')
local known, fence = tonumber(meta[1] or '0'), tonumber(ARGV[1])
if tonumber(meta[2] or '0') > tonumber(ARGV[2]) then return {{'newer', now_ms, meta[2]}} end
if known > fence then return {{'fenced', now_ms, meta[1]}} end
local before = redis.call('HGETALL', KEYS[1])
local incarnation, attempt = tonumber(meta[3] or '0'), tonumber(meta[4] or '0')
if known < fence or ARGV[4] == '1' then
  incarnation, attempt = math.max(incarnation + 1, tonumber(ARGV[3])), tonumber(ARGV[5])
  redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'attempt', attempt, 'format', ARGV[2],
    'incarnation', incarnation)
  if ARGV[4] == '1' then redis.call('UNLINK', KEYS[2], KEYS[6]) end
end
return {{'done', now_ms, incarnation, attempt, before}}
""")

# ARGV: fence, highest confirmed attempt, attempt; then sections: name, number of items, items.
# Gives {done, now_ms}, {fenced, now_ms, by whom} or {lost, now_ms}.
COMMIT: Final = Script(f"""{_NOW}
local meta = redis.call('HMGET', KEYS[1], 'fence', 'attempt')
local fence, attempt = tonumber(meta[1] or '0'), tonumber(meta[2] or '0')
local mine, confirmed, this = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if fence > mine then return {{'fenced', now_ms, meta[1]}} end
if fence < mine or attempt < confirmed then return {{'lost', now_ms}} end
if attempt >= this then return {{'done', now_ms}} end
redis.call('HSET', KEYS[1], 'attempt', this)

local function is_below(a, b)  -- numbers of eight bytes behind the version
  for i = 2, 9 do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return false
end

local i = 4
while ARGV[i] do
  local name, first, last = ARGV[i], i + 2, i + 1 + ARGV[i + 1]
  if name == 'held' then
    redis.call('HSET', KEYS[2], unpack(ARGV, first, last))
  elseif name == 'gone' then
    redis.call('HDEL', KEYS[2], unpack(ARGV, first, last))
  elseif name == 'heard' then
    redis.call('HSET', KEYS[6], unpack(ARGV, first, last))
  elseif name == 'unheard' then
    redis.call('HDEL', KEYS[6], unpack(ARGV, first, last))
  elseif name == 'highest' then
    for k = first, last, 2 do
      local known = redis.call('HGET', KEYS[1], ARGV[k])
      if tonumber(known or '0') < tonumber(ARGV[k + 1]) then
        redis.call('HSET', KEYS[1], ARGV[k], ARGV[k + 1])
      end
    end
  elseif name == 'kicks' then
    for k = first, last, 3 do
      local known = redis.call('HGET', KEYS[3], ARGV[k])
      if not known or is_below(ARGV[k + 1], known) then
        redis.call('HSET', KEYS[3], ARGV[k], ARGV[k + 1])
        redis.call('ZADD', KEYS[4], ARGV[k + 2], ARGV[k])
      end
    end
  elseif name == 'plans' or name == 'homes' then
    local hash = name == 'plans' and KEYS[5] or KEYS[7]
    for k = first, last, 2 do
      local known = redis.call('HGET', hash, ARGV[k])
      if not known or not is_below(ARGV[k + 1], known) then
        redis.call('HSET', hash, ARGV[k], ARGV[k + 1])
      end
    end
  end
  i = last + 1
end
return {{'done', now_ms}}
""")

# ARGV: fence, most kicks to forget, plans that are kept, most plans to forget.
# Gives how many kicks and plans it has forgotten; {-1, 0}: the data are another owner's.
SWEEP: Final = Script(f"""{_NOW}
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return {{-1, 0}} end
local due = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', '(' .. time[1], 'LIMIT', 0, ARGV[2])
if #due > 0 then
  redis.call('HDEL', KEYS[3], unpack(due))
  redis.call('ZREM', KEYS[4], unpack(due))
end
local over = math.min(redis.call('HLEN', KEYS[5]) - tonumber(ARGV[3]), tonumber(ARGV[4]))
if over <= 0 then return {{#due, 0}} end
return {{#due, redis.call('HDEL', KEYS[5], unpack(redis.call('HRANDFIELD', KEYS[5], over)))}}
""")
