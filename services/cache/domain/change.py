"""A change: what every replica is told of entries, as of the stamp that the store gave it."""

import json
from enum import Enum
from typing import Final, NamedTuple


class Scope(Enum):
    """What a change speaks of. The values are those on the topic between replicas."""

    KEYS = "keys"
    TAG = "tag"
    PATTERN = "pattern"
    NAMESPACE = "namespace"


class Mode(Enum):
    """What becomes of it. The values are those on the topic between replicas."""

    DELETE = "delete"
    """It is forgotten."""
    EXPIRE = "expire"
    """It is stale."""
    RELEASE = "release"
    """Nothing, but keys that somebody was loading are not being loaded any more."""


_DELETE: Final = Mode.DELETE


class Change(NamedTuple):
    """Everything of a namespace that `names` cover is forgotten, or stale, where it is older than its stamp."""

    namespace: str
    scope: Scope
    names: tuple[str, ...] = ()
    mode: Mode = _DELETE


CHANGES_TOPIC: Final = "cache/changes"
"""The topic on which replicas tell each other."""


def encode(change: Change) -> bytes:
    """Write a change as it stands on the topic. The mode is left out of the most frequent one."""
    parts: list[object] = [change.namespace, change.scope.value, change.names]
    if change.mode is not Mode.DELETE:
        parts.append(change.mode.value)
    return json.dumps(parts, separators=(",", ":")).encode()


def decode(payload: bytes) -> Change:
    """Read a change. Raises ValueError for what no replica of this version writes."""
    match json.loads(payload):
        case [str(namespace), str(scope), list(names)] if _are_texts(names):
            return Change(namespace, Scope(scope), tuple(names))
        case [str(namespace), str(scope), list(names), str(mode)] if _are_texts(names):
            return Change(namespace, Scope(scope), tuple(names), Mode(mode))
    raise ValueError("this is no change")


def _are_texts(values: list[object]) -> bool:
    return all(isinstance(value, str) for value in values)
