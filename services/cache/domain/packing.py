"""Packing: values are smaller in Redis where that is worth the time.

Only there: L1 holds what goes over the wire, so that nothing is unpacked for a hit.
"""

from typing import Final

import zstandard

from services.cache.domain.bounds import VALUE_BYTES_MAX

LEVEL: Final = 1
"""The quickest: the others take several times as long for a few percent."""

WORTH_MAX: Final = 0.9
"""What has more than this part of its bytes left stays as it is, so that nobody pays for unpacking it."""

_COMPRESSOR: Final = zstandard.ZstdCompressor(level=LEVEL)
_DECOMPRESSOR: Final = zstandard.ZstdDecompressor()


def packed(value: bytes, from_bytes: int) -> bytes | None:
    """Make a value of `from_bytes` or more smaller; None where it is shorter, or where that is not worth it."""
    if len(value) < from_bytes:
        return None
    smaller = _COMPRESSOR.compress(value)
    return smaller if len(smaller) <= WORTH_MAX * len(value) else None


def unpacked(smaller: bytes) -> bytes | None:
    """Make the value out of what it was packed to; None for bytes that nobody packed, or far too many."""
    try:
        if not 0 <= zstandard.frame_content_size(smaller) <= VALUE_BYTES_MAX:
            return None
        return _DECOMPRESSOR.decompress(smaller)
    except zstandard.ZstdError:
        return None
