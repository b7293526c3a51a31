"""How results become bytes and back.

Bytes are what is kept: they weigh what they weigh, and every caller gets an object of its own, which it may change.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from google.protobuf.message import Message

T = TypeVar("T")
MessageT = TypeVar("MessageT", bound=Message)


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """Turns a result into bytes and bytes into a result. None never comes here: it is kept as being absent."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]


def of_message(kind: type[MessageT]) -> Codec[MessageT]:
    """Make the codec of a protobuf message."""
    return Codec(lambda message: message.SerializeToString(), kind.FromString)


def _to_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _as_they_are(value: bytes) -> bytes:
    if type(value) is not bytes:
        raise TypeError(f"the result is a {type(value).__name__}, not bytes; say `codec=` for it")
    return value


BYTES: Final[Codec[bytes]] = Codec(_as_they_are, bytes)
"""For results that are bytes."""

JSON: Final[Codec[Any]] = Codec(_to_json, json.loads)
"""For results of dicts, lists, strings, numbers and booleans. Tuples come back as lists."""
