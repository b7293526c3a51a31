"""A change: what every replica is told to forget, as of the stamp that the store gave it."""

import json
from enum import Enum
from typing import Final, NamedTuple


class Scope(Enum):
    """What a change speaks of. The values are those on the topic between replicas."""

    KEYS = "keys"
    TAG = "tag"
    PATTERN = "pattern"
    NAMESPACE = "namespace"


class Change(NamedTuple):
    """Everything of a namespace that `names` cover is to be forgotten where it is older than the change's stamp."""

    namespace: str
    scope: Scope
    names: tuple[str, ...] = ()


CHANGES_TOPIC: Final = "cache/changes"
"""The topic on which replicas tell each other."""


def encode(change: Change) -> bytes:
    """Write a change as it stands on the topic."""
    return json.dumps([change.namespace, change.scope.value, change.names], separators=(",", ":")).encode()


def decode(payload: bytes) -> Change:
    """Read a change. Raises ValueError for what no replica of this version writes."""
    match json.loads(payload):
        case [str(namespace), str(scope), list(names)] if all(isinstance(name, str) for name in names):
            return Change(namespace, Scope(scope), tuple(names))
    raise ValueError("this is no change")
