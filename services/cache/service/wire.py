"""Answers of Get and BatchGet as they go over the wire.

Both messages have one field, `found`, once or repeated, so one function writes both. Written by hand it takes a third
of what making the messages and encoding them does, and a batch makes a thousand; the tests hold it to the messages.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from furlong.cache.v1.cache_service_pb2 import Found as FoundMessage
from furlong.cache.v1.cache_service_pb2 import GetResponse

from services.cache.domain.found import Found, Tier
from services.cache.domain.outcome import Outcome
from services.cache.engine.leases import Wanted

VERSIONS_KEPT_MAX: Final = 4_096
"""Versions whose encoding is remembered: they are the longest numbers, and entries that are asked for keep theirs."""

_VARINT: Final = 0
_BYTES: Final = 2


def _tag(message: str, kind: int) -> bytes:
    return bytes((FoundMessage.DESCRIPTOR.fields_by_name[message].number << 3 | kind,))


_FOUND: Final = bytes((1 << 3 | _BYTES,))
_OUTCOME: Final = _tag("outcome", _VARINT)
_VALUE: Final = _tag("value", _BYTES)
_VERSION: Final = _tag("version", _VARINT)
_AGE: Final = _tag("age_ms", _VARINT)
_TIER: Final = _tag("tier", _VARINT)
_BYTE: Final = tuple(bytes((n,)) for n in range(0x80))

_LEADS: Final = tuple(
    tuple(_OUTCOME + _BYTE[outcome] + _TIER + _BYTE[tier] + _VERSION for tier in range(len(Tier)))
    for outcome in range(len(Outcome) + 1)
)
"""What an answer with an entry begins with, up to the version: by outcome and tier, as numbers."""

_FIXED: Final = len(_VALUE) + len(_AGE) + len(_LEADS[0][0])


def answer(found: Sequence[Found]) -> bytes:
    """Write a GetResponse with one, or a BatchGetResponse with any number."""
    parts: list[bytes] = []
    for outcome, value, version, age_ms, tier, _ in found:
        if not tier:
            parts += (_FOUND, b"\2", _OUTCOME, _BYTE[outcome])
            continue
        stamp, age, size = _encoded_version(version), _encoded(age_ms), _encoded(len(value))
        length = _encoded(_FIXED + len(stamp) + len(age) + len(size) + len(value))
        parts += (_FOUND, length, _LEADS[outcome][tier], stamp, _AGE, age, _VALUE, size, value)
    return b"".join(parts)


def _encoded(number: int) -> bytes:
    if number < 1 << 7:
        return _BYTE[number]
    if number < 1 << 14:
        return bytes((number & 0x7F | 0x80, number >> 7))
    if number < 1 << 21:
        return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14))
    return bytes((number & 0x7F | 0x80,)) + _encoded(number >> 7)


def leased(wanted: Wanted) -> bytes:
    """Write a GetResponse for a caller who would load: rarer, and followed by far more work, so made the long way."""
    message = GetResponse.FromString(answer((wanted.found,)))
    message.found.fresh_for_ms = wanted.fresh_for_ms
    message.found.retry_after_ms = wanted.retry_after_ms
    if wanted.token:
        message.found.lease.token = wanted.token
        message.found.lease.ends_in_ms = wanted.ends_in_ms
    return message.SerializeToString()


_encoded_version = lru_cache(VERSIONS_KEPT_MAX)(_encoded)
