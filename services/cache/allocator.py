"""How this process takes memory for large values and gives it back.

glibc cuts values of all sizes out of one heap, in which what goes leaves holes that later ones do not fit into: after
ten minutes of entries that come and go it had grown by a third beyond what L1 may have. Values from MAPPED_BYTES on get
pages of their own instead, which are the system's again when they go. Left to itself glibc begins so too, and raises
the bound with each of them that goes.
"""

import ctypes
from typing import Final

import structlog

MAPPED_BYTES: Final = 32 * 1024
"""The least value with pages of its own. A page is left half empty on the average: 2 KiB of these at least 32."""

MAPPED_MAX: Final = 16_384
"""Values that have their own pages at once, and a fourth of the mappings that Linux lets a process have."""

_M_MMAP_THRESHOLD: Final = -3
_M_MMAP_MAX: Final = -4

_log = structlog.get_logger(__name__)


def map_large_values() -> None:
    """Have it done from now on. A C library that knows nothing of it is left alone, with a word in the log."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or not (mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES) and mallopt(_M_MMAP_MAX, MAPPED_MAX)):
        _log.warning("large values share the heap: memory may exceed CACHE_BYTES_MAX by more than a quarter")
