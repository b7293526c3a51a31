"""A trace: which keys were asked for, one after another, and the bytes that each takes."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Requests as numbers of keys; `weights` are the bytes of each key in a cache, its holding included.

    `bounds` are the sizes of cache to compare policies with, in bytes.
    """

    name: str
    requests: "array[int]"
    weights: Mapping[int, int]
    bounds: tuple[int, ...]
