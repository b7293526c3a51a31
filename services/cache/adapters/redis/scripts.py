"""The writes, each one script, so that it happens as a whole: stamp, effect, and word to the other replicas.

Numbers are doubles in Lua, exact below 2^53; `text` writes them without an exponent. A counter begins at the server's
clock in microseconds, which keeps versions rising when the server has lost its memory. Nothing depends on that clock
being right: who asks tells the highest stamp that it has seen, and is given a higher one.
"""

import hashlib
from typing import Final, NamedTuple

from services.cache.domain.entry import FLAGS_AT, FORMAT, FRESH_UNTIL_AT


class Script(NamedTuple):
    """A script with the name that it has in traces and the digest by which the server knows it."""

    name: str
    text: str
    sha: str


def _script(name: str, body: str) -> Script:
    text = _PRELUDE + body
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


_PRELUDE: Final = (
    f"""
local FORMAT, FLAGS_AT, FRESH_UNTIL_AT = {FORMAT}, {FLAGS_AT}, {FRESH_UNTIL_AT}
"""
    + """
local function text(number) return string.format('%.0f', number) end

local function now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- Tell which process answers, as a number. One that was restarted, or has taken over, may have lost what came last.
local function process()
  local about = redis.pcall('INFO', 'server')
  local id = type(about) == 'string' and string.match(about, 'run_id:(%x+)')
  return id and text(tonumber(string.sub(id, 1, 12), 16)) or '0'
end

local function begin(state, known)
  local incarnation = math.max(now_us(), known + 1)
  redis.call('DEL', state)
  redis.call('HSET', state, 'incarnation', text(incarnation), 'version', text(incarnation), 'process', process())
  return incarnation
end

local function incarnation_of(state, known)
  local incarnation = redis.call('HGET', state, 'incarnation')
  if incarnation then return tonumber(incarnation) end
  return begin(state, known)
end

local function stamp(state, known)
  local version = math.max(tonumber(redis.call('HGET', state, 'version')), known) + 1
  redis.call('HSET', state, 'version', text(version))
  return version
end

local function head_of(incarnation, version) return struct.pack('>BI8I8', FORMAT, incarnation, version) end

-- The version of an entry; 0 where there is none, or none of this incarnation.
local function version_of(entry, incarnation)
  local head = redis.call('GETRANGE', entry, 0, FLAGS_AT - 1)
  if #head < FLAGS_AT then return 0 end
  local format, of, version = struct.unpack('>BI8I8', head)
  if format ~= FORMAT or of ~= incarnation then return 0 end
  return version
end

-- Make an entry stale: it is fresh until 0, and keeps its time to live. What says that there is nothing goes.
local function expire(entry)
  local head = redis.call('GETRANGE', entry, 0, FLAGS_AT)
  if #head <= FLAGS_AT or string.byte(head) ~= FORMAT or string.byte(head, -1) % 2 == 1 then
    redis.call('UNLINK', entry)
  else
    redis.call('SETRANGE', entry, FRESH_UNTIL_AT, string.rep('\\0', 8))
  end
end

local function append(head, stream, kept, known_epoch, ...)
  local epoch = redis.call('HGET', head, 'epoch')
  if not epoch then
    epoch = text(math.max(now_us(), known_epoch + 1))
    redis.call('DEL', stream)
    redis.call('HSET', head, 'epoch', epoch)
  end
  local sequence = redis.call('HINCRBY', head, 'sequence', 1)
  redis.call('XADD', stream, 'MAXLEN', '~', kept, epoch .. '-' .. text(sequence), ...)
  return epoch, sequence
end

local function tell(kept, incarnation, version, change)
  append(KEYS[2], KEYS[3], kept, version, 'p', change, 'i', text(incarnation), 'v', text(version))
end
"""
)

WRITE: Final = _script(
    "set",
    """
-- KEYS state, head, stream, entries..., their leases...
-- ARGV known, kept, change, then (ttl_ms, tail) of each entry
local known = tonumber(ARGV[1])
local incarnation = incarnation_of(KEYS[1], known)
local version = stamp(KEYS[1], known)
local written_by_store = head_of(incarnation, version)
local entries = (#KEYS - 3) / 2
for n = 1, entries do
  redis.call('SET', KEYS[3 + n], written_by_store .. ARGV[2 * n + 3], 'PX', ARGV[2 * n + 2])
end
redis.call('UNLINK', unpack(KEYS, 4 + entries))
tell(ARGV[2], incarnation, version, ARGV[3])
return {text(incarnation), text(version)}
""",
)

FORGET: Final = _script(
    "invalidate",
    """
-- KEYS state, head, stream, marks that delete, marks that expire, entries..., their leases...
-- ARGV known, kept, change, mode, mark or '', its counter or '', marks allowed, mark of the whole namespace, and the
--      one of those that expire
local known, mode = tonumber(ARGV[1]), ARGV[4]
local state, mark, counter, allowed, whole = KEYS[1], ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8]
local marks = mode == 'expire' and KEYS[5] or KEYS[4]
local incarnation = incarnation_of(state, known)
local version = stamp(state, known)

local function drop(marks)
  redis.call('UNLINK', marks)
  redis.call('HDEL', state, marks)
end

local function mark_whole()
  drop(KEYS[5])
  redis.call('HDEL', state, ARGV[9])
  if mode ~= 'expire' then drop(KEYS[4]) end
  redis.call('HSET', state, whole, text(version))
end

local function mark_one()
  if redis.call('HGET', marks, 'incarnation') ~= text(incarnation) then
    if redis.call('HEXISTS', state, marks) == 1 then return mark_whole() end -- there were some, and they are lost
    redis.call('UNLINK', marks)
    redis.call('HSET', marks, 'incarnation', text(incarnation))
    redis.call('HSET', state, marks, '1')
  end
  local is_new = redis.call('HSET', marks, mark, text(version))
  if is_new == 1 and redis.call('HINCRBY', marks, counter, 1) > allowed then mark_whole() end
end

if #KEYS > 5 then
  local entries = (#KEYS - 5) / 2
  if mode == 'expire' then
    for n = 6, 5 + entries do expire(KEYS[n]) end
    redis.call('UNLINK', unpack(KEYS, 6 + entries))
  else
    redis.call('UNLINK', unpack(KEYS, 6))
  end
end
if mark == whole then
  mark_whole()
elseif mark ~= '' then
  mark_one()
end
tell(ARGV[2], incarnation, version, ARGV[3])
return {text(incarnation), text(version)}
""",
)

LEASE: Final = _script(
    "lease",
    """
-- KEYS state, entry, lease      ARGV known, version of the entry that was seen, token of a void lease, lease_ms
local known = tonumber(ARGV[1])
local incarnation = incarnation_of(KEYS[1], known)
if version_of(KEYS[2], incarnation) ~= tonumber(ARGV[2]) then return {text(incarnation), '0', '0', '0'} end
local held = redis.call('GET', KEYS[3])
if held then
  local of, holder = string.match(held, '^(%d+):(%d+)$')
  if of == text(incarnation) and holder ~= ARGV[3] then
    return {text(incarnation), '0', holder, text(redis.call('PTTL', KEYS[3]))}
  end
end
local token = text(stamp(KEYS[1], known))
redis.call('SET', KEYS[3], text(incarnation) .. ':' .. token, 'PX', ARGV[4])
return {text(incarnation), token, token, ARGV[4]}
""",
)

FILL: Final = _script(
    "fill",
    """
-- KEYS state, head, stream, entry, lease      ARGV kept, change, incarnation, token, ttl_ms, tail
local incarnation = redis.call('HGET', KEYS[1], 'incarnation') or '0'
if incarnation ~= ARGV[3] or redis.call('GET', KEYS[5]) ~= ARGV[3] .. ':' .. ARGV[4] then
  return {incarnation, text(version_of(KEYS[4], tonumber(incarnation))), 0}
end
redis.call('SET', KEYS[4], head_of(tonumber(ARGV[3]), tonumber(ARGV[4])) .. ARGV[6], 'PX', ARGV[5])
redis.call('UNLINK', KEYS[5])
tell(ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[2])
return {incarnation, ARGV[4], 1}
""",
)

RELEASE: Final = _script(
    "release",
    """
-- KEYS state, head, stream, lease      ARGV kept, change, incarnation, token
if redis.call('GET', KEYS[4]) == ARGV[3] .. ':' .. ARGV[4] then
  redis.call('UNLINK', KEYS[4])
  tell(ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[2])
end
return 0
""",
)

REPLACE: Final = _script(
    "replace",
    """
-- KEYS state, head, stream, entry, lease
-- ARGV known, kept, change, version of the entry that was seen, ttl_ms, tail
local known = tonumber(ARGV[1])
local incarnation = incarnation_of(KEYS[1], known)
local version = version_of(KEYS[4], incarnation)
if version ~= tonumber(ARGV[4]) then return {text(incarnation), text(version), 0} end
version = stamp(KEYS[1], known)
redis.call('SET', KEYS[4], head_of(incarnation, version) .. ARGV[6], 'PX', ARGV[5])
redis.call('UNLINK', KEYS[5])
tell(ARGV[2], incarnation, version, ARGV[3])
return {text(incarnation), text(version), 1}
""",
)

INCREMENT: Final = _script(
    "increment",
    """
-- KEYS state, number      ARGV known, request id, delta, ttl_ms, requests remembered
local incarnation = text(incarnation_of(KEYS[1], tonumber(ARGV[1])))
if redis.call('HGET', KEYS[2], 'incarnation') ~= incarnation then redis.call('DEL', KEYS[2]) end
local request = 'request:' .. ARGV[2]
local before = redis.call('HGET', KEYS[2], request)
if before then
  local delta, value = string.match(before, '^(-?%d+):(-?%d+)$')
  if delta ~= ARGV[3] then return {'reused', '0'} end
  return {'replayed', value}
end
local is_new = redis.call('EXISTS', KEYS[2]) == 0
if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[5]) then return {'full', '0'} end
local sum = redis.pcall('HINCRBY', KEYS[2], 'value', ARGV[3])
if type(sum) == 'table' then return {'overflow', '0'} end
local value = redis.call('HGET', KEYS[2], 'value')
redis.call('HSET', KEYS[2], 'incarnation', incarnation, request, ARGV[3] .. ':' .. value)
if is_new then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
return {'added', value}
""",
)

SLIDE: Final = _script(
    "slide",
    """
-- KEYS entries...      ARGV ttl_ms, then (stamp, times) of each
-- What was written anew, expired or removed since it was read stays as it is.
local expired = string.rep('\\0', 8)
for n = 1, #KEYS do
  local is_same = redis.call('GETRANGE', KEYS[n], 0, FLAGS_AT - 1) == ARGV[2 * n]
  if is_same and redis.call('GETRANGE', KEYS[n], FRESH_UNTIL_AT, FRESH_UNTIL_AT + 7) ~= expired then
    redis.call('SETRANGE', KEYS[n], FRESH_UNTIL_AT, ARGV[2 * n + 1])
    redis.call('PEXPIRE', KEYS[n], ARGV[1])
  end
end
return {}
""",
)

RENEW: Final = _script(
    "flush",
    """
-- KEYS state, head, stream      ARGV known, kept, change
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
local incarnation = begin(KEYS[1], math.max(version, tonumber(ARGV[1])))
tell(ARGV[2], incarnation, incarnation, ARGV[3])
return {text(incarnation), text(incarnation)}
""",
)

STATE: Final = _script(
    "state",
    """
-- KEYS state, marks...      ARGV known
local state, known, here = KEYS[1], tonumber(ARGV[1]), process()

local function is_whole()
  if redis.call('HGET', state, 'process') ~= here then return false end
  local incarnation = redis.call('HGET', state, 'incarnation')
  for n = 2, #KEYS do
    local is_kept = redis.call('HEXISTS', state, KEYS[n]) == 1
    if is_kept and redis.call('HGET', KEYS[n], 'incarnation') ~= incarnation then return false end
  end
  return true
end

if not is_whole() then begin(state, math.max(known, tonumber(redis.call('HGET', state, 'version') or '0'))) end
redis.call('HSET', state, 'process', here) -- a server that takes no writes is not fit to be used
local parts = {redis.call('HGETALL', state)}
for n = 2, #KEYS do
  if redis.call('HEXISTS', state, KEYS[n]) == 1 then parts[#parts + 1] = redis.call('HGETALL', KEYS[n]) end
end
return parts
""",
)

PUBLISH: Final = _script(
    "publish",
    """
-- KEYS head, stream      ARGV kept, expires_ms, known_epoch, payload, request_id
local epoch, sequence =
  append(KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[3]), 'p', ARGV[4], 'r', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return {epoch, text(sequence)}
""",
)
