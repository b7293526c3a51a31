"""The writes, each one script, so that it happens as a whole: stamp, effect, and word to the other replicas.

Numbers are doubles in Lua, exact below 2^53; `text` writes them without an exponent. A counter begins at the server's
clock in microseconds, which keeps versions rising when the server has lost its memory. Nothing depends on that clock
being right: who asks tells the highest stamp that it has seen, and is given a higher one.
"""

import hashlib
from typing import Final, NamedTuple


class Script(NamedTuple):
    """A script with the name that it has in traces and the digest by which the server knows it."""

    name: str
    text: str
    sha: str


def _script(name: str, body: str) -> Script:
    text = _PRELUDE + body
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


_PRELUDE: Final = """
local function text(number) return string.format('%.0f', number) end

local function now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function begin(state, known)
  local incarnation = math.max(now_us(), known + 1)
  redis.call('DEL', state)
  redis.call('HSET', state, 'incarnation', text(incarnation), 'version', text(incarnation))
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

WRITE: Final = _script(
    "set",
    """
-- KEYS state, head, stream, entries...      ARGV known, kept, change, then (ttl_ms, tail) of each entry
local known = tonumber(ARGV[1])
local incarnation = incarnation_of(KEYS[1], known)
local version = stamp(KEYS[1], known)
local written_by_store = struct.pack('>BI8I8', 1, incarnation, version)
for n = 4, #KEYS do
  redis.call('SET', KEYS[n], written_by_store .. ARGV[2 * n - 3], 'PX', ARGV[2 * n - 4])
end
tell(ARGV[2], incarnation, version, ARGV[3])
return {text(incarnation), text(version)}
""",
)

FORGET: Final = _script(
    "invalidate",
    """
-- KEYS state, head, stream, entries...
-- ARGV known, kept, change, mark or '', its counter or '', marks allowed, prefix of the namespace's marks, mark of the
--      whole namespace, then all counters of the namespace
local known = tonumber(ARGV[1])
local state, mark, counter, allowed, prefix, whole = KEYS[1], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7], ARGV[8]
local incarnation = incarnation_of(state, known)
local version = stamp(state, known)

local function mark_whole()
  for _, field in ipairs(redis.call('HKEYS', state)) do
    if string.sub(field, 1, #prefix) == prefix then redis.call('HDEL', state, field) end
  end
  for n = 9, #ARGV do redis.call('HDEL', state, ARGV[n]) end
  redis.call('HSET', state, whole, text(version))
end

for n = 4, #KEYS do redis.call('UNLINK', KEYS[n]) end
if mark == whole then
  mark_whole()
elseif mark ~= '' then
  local is_new = redis.call('HSET', state, mark, text(version))
  if is_new == 1 and redis.call('HINCRBY', state, counter, 1) > allowed then mark_whole() end
end
tell(ARGV[2], incarnation, version, ARGV[3])
return {text(incarnation), text(version)}
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
-- KEYS state      ARGV known
incarnation_of(KEYS[1], tonumber(ARGV[1]))
return redis.call('HGETALL', KEYS[1])
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
