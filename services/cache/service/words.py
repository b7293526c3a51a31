"""What watchers are told, as it goes over the wire."""

from functools import lru_cache
from typing import Final

from furlong.cache.v1.cache_service_pb2 import DELETE, EXPIRE, Keys, WatchChangesResponse

from services.cache.domain.change import Mode, Scope
from services.cache.engine.watchers import Word

WRITTEN_MAX: Final = 64
"""Words whose encoding is remembered: every watcher of a namespace is told the same ones at about the same time."""


@lru_cache(WRITTEN_MAX)
def written(word: Word) -> bytes:
    """Encode a WatchChangesResponse."""
    message = WatchChangesResponse(
        kind=WatchChangesResponse.Kind.ValueType(word.kind),
        epoch=str(word.stamp.incarnation or ""),
        version=word.stamp.version,
    )
    if word.change is not None:
        message.namespace = word.change.namespace
        message.mode = EXPIRE if word.change.mode is Mode.EXPIRE else DELETE
        match word.change.scope:
            case Scope.KEYS:
                message.keys.CopyFrom(Keys(keys=word.change.names))
            case Scope.PATTERN:
                (message.pattern,) = word.change.names
            case Scope.TAG:
                (message.tag,) = word.change.names
            case Scope.NAMESPACE:
                message.everything = True
    return message.SerializeToString()
