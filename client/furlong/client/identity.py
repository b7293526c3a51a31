"""Request ids: UUIDs of version 7 (RFC 9562), which carry the time at which they were made.

A ticket's request id is its key for ever, so it is made once, before the first attempt, and sent again unchanged.
"""

import secrets
import time
import uuid

CHANCE_BYTES = 10
_VERSION_7 = 0x7 << 76
_VARIANT_RFC = 0b10 << 62
_TIME_MS_MAX = (1 << 48) - 1


def uuid7(now_ms: int | None = None, chance: bytes | None = None) -> str:
    """Make a UUIDv7 in lower-case text.

    `now_ms` is Unix time in milliseconds, 0 to 2^48 - 1, by default the system's clock. `chance` is 10 random bytes,
    of which the id keeps 74 bits, by default from the system. Raises ValueError outside these ranges.
    """
    at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    random = secrets.token_bytes(CHANCE_BYTES) if chance is None else chance
    if not 0 <= at_ms <= _TIME_MS_MAX:
        raise ValueError(f"a UUIDv7 holds 0 to {_TIME_MS_MAX} ms, not {at_ms}")
    if len(random) != CHANCE_BYTES:
        raise ValueError(f"a UUIDv7 takes {CHANCE_BYTES} bytes of chance, not {len(random)}")
    bits = int.from_bytes(random)
    upper = (bits >> 62) & 0xFFF
    lower = bits & ((1 << 62) - 1)
    return str(uuid.UUID(int=at_ms << 80 | _VERSION_7 | upper << 64 | _VARIANT_RFC | lower))


def uuid7_time_ms(text: str) -> int:
    """Tell when a UUIDv7 was made, in milliseconds of Unix time. Raises ValueError if `text` is no UUIDv7."""
    value = uuid.UUID(text)
    if value.version != 7:
        raise ValueError(f"{text!r} is a UUID, but not of version 7")
    return value.int >> 80
