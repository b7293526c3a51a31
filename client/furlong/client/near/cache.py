"""The near cache: results of async functions kept in this process, right because it hears of every change."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MethodType, TracebackType
from typing import Any, Final, Generic, ParamSpec, Self, TypeVar

import grpc
from furlong.cache.v1.cache_service_pb2 import DELETE, EXPIRE, InvalidateRequest, Keys
from furlong.client.backoff import SYSTEM_TIMING, Timing
from furlong.client.near.change import UNKNOWN, change
from furlong.client.near.codec import JSON, Codec
from furlong.client.near.key import KEY_BYTES_MAX, KeyBuilder
from furlong.client.near.namespace import NearNamespace
from furlong.client.near.policy import NearPolicy
from furlong.client.near.service import Service
from furlong.client.near.tally import NearCounts
from furlong.client.near.trust import Trust
from furlong.client.near.watch import Watch

P = ParamSpec("P")
T = TypeVar("T")


class NearCache:
    """Caches results of functions, in this process and, behind it, in the cache service at the end of `channel`.

    Made inside a running event loop, for the namespaces of `policies`. Use it as an async context manager, or `start`
    and `close` it. Nothing that it is asked for fails because of the cache: without the service, or before `start` and
    after `close`, functions run as if they were not wrapped, but still once for all who ask for the same at once.
    """

    def __init__(
        self, channel: grpc.aio.Channel, policies: Sequence[NearPolicy], *, timing: Timing = SYSTEM_TIMING
    ) -> None:
        self._timing = timing
        self._service = Service(channel, timing.monotonic_s)
        self._trust = Trust()
        self._namespaces: Final[Mapping[str, NearNamespace]] = {
            policy.namespace: NearNamespace(policy, trust=self._trust, service=self._service, timing=timing)
            for policy in policies
        }
        if len(self._namespaces) != len(policies):
            raise ValueError("there are two policies for one namespace")
        self._watch = Watch(namespaces=self._namespaces, trust=self._trust, service=self._service, timing=timing)

    def cached(
        self,
        namespace: str,
        *,
        key: Callable[..., str] | None = None,
        codec: Codec[Any] = JSON,
        tags: Callable[..., Sequence[str]] | None = None,
    ) -> "Callable[[Callable[P, Awaitable[T]]], Cached[P, T]]":
        """Make a decorator, or a wrapper, for an async function whose results belong to `namespace`.

        `key` makes the entry's key, 1 to 512 bytes, of the function's arguments; without it the key is the function's
        name with its arguments, which have to be strings, bytes, integers, booleans or None. `codec` turns results into
        bytes and back. `tags` names what an entry can be invalidated by, at most 8 of 1 to 128 bytes. A result of None
        is kept as being absent. Raises ValueError for a namespace without a policy.
        """
        near = self._namespaces.get(namespace)
        if near is None:
            raise ValueError(f"there is no policy for the namespace {namespace!r}")

        def wrap(function: Callable[P, Awaitable[T]]) -> Cached[P, T]:
            builder = KeyBuilder(function) if key is None else key
            return Cached(function, cache=self, namespace=near, name=namespace, key=builder, codec=codec, tags=tags)

        return wrap

    async def invalidate(
        self,
        namespace: str,
        *,
        keys: Sequence[str] | None = None,
        pattern: str | None = None,
        tag: str | None = None,
        expire: bool = False,
    ) -> None:
        """Forget entries everywhere: by `keys` (at most 1,000), by a `pattern` over keys, by `tag`, or all of them.

        With `expire` they become stale instead. Here it is done at once and whatever happens; raises FurlongError where
        the service could not be told, in which case others go on with what they have.
        """
        if sum(each is not None for each in (keys, pattern, tag)) > 1:
            raise ValueError("name keys, or a pattern, or a tag")
        if keys is not None and not keys:
            return
        near = self._namespaces[namespace]
        request = InvalidateRequest(namespace=namespace, mode=EXPIRE if expire else DELETE)
        if keys is not None:
            request.keys.CopyFrom(Keys(keys=keys))
        elif pattern is not None:
            request.pattern = pattern
        elif tag is not None:
            request.tag = tag
        else:
            request.everything = True
        near.hear(change(UNKNOWN, keys=None if keys is None else tuple(keys), pattern=pattern, expires=expire))
        await self._service.invalidate(request)

    def stats(self) -> Mapping[str, NearCounts]:
        """Tell what was counted, by namespace."""
        return {name: near.stats() for name, near in self._namespaces.items()}

    @property
    def loads_under_way(self) -> int:
        """Tell how many loads there are that somebody waits for, or that go on in the background."""
        return sum(len(near.flights) for near in self._namespaces.values())

    @property
    def gaps(self) -> int:
        """Tell how often the stream of changes broke, or told that something was missed."""
        return self._watch.gaps

    @property
    def is_hearing(self) -> bool:
        """Tell whether changes are heard, so that entries are answered from here."""
        return self._timing.monotonic_s() < self._trust.until_s

    def start(self) -> None:
        """Begin to hear of changes."""
        self._watch.start()

    async def close(self) -> None:
        """Stop. The channel stays open."""
        await self._watch.close()
        for near in self._namespaces.values():
            await near.close()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Cached(Generic[P, T]):
    """A function whose results are kept."""

    def __init__(
        self,
        function: Callable[P, Awaitable[T]],
        *,
        cache: NearCache,
        namespace: NearNamespace,
        name: str,
        key: Callable[..., str],
        codec: Codec[Any],
        tags: Callable[..., Sequence[str]] | None,
    ) -> None:
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self.key: Final = key
        """Makes the key of a call. Raises TypeError for arguments of which none can be made."""
        self._quick_key = key.quick if isinstance(key, KeyBuilder) else key
        self._cache = cache
        self._near = namespace
        self._find = namespace.shelf.find
        self._counts = namespace.counts
        self._monotonic_s = namespace.monotonic_s
        self._name = name
        self._encode = codec.encode
        self._decode = codec.decode
        self._tags = tags

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Answer from here, from the service, or by running the function. Raises what the function raises."""
        key = self._quick_key(*args, **kwargs)
        held = self._find(key, self._monotonic_s())
        if held is not None:
            self._counts.hits += 1
            value = held.value
        else:
            value = await self._fetch(args, kwargs)
        if value is None:
            return None  # type: ignore[return-value] # the function has answered so
        try:
            answer: T = self._decode(value)
        except Exception:
            return await self._instead(key, args, kwargs)
        return answer

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bind a method to its instance."""
        return self if instance is None else MethodType(self, instance)

    async def forget(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the result of a call, everywhere. Raises FurlongError where the service could not be told."""
        await self._cache.invalidate(self._name, keys=(self.key(*args, **kwargs),))

    async def expire(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Have the result of a call loaded anew, everywhere; who takes stale ones may still have it. Raises alike."""
        await self._cache.invalidate(self._name, keys=(self.key(*args, **kwargs),), expire=True)

    async def _fetch(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes | None:
        key = self.key(*args, **kwargs)
        if not 1 <= len(key.encode()) <= KEY_BYTES_MAX:
            raise ValueError(f"the key has {len(key.encode())} bytes, not 1 to {KEY_BYTES_MAX}: {key[:80]!r}")
        tags = () if self._tags is None else self._tags(*args, **kwargs)
        return await self._near.fetch(key, lambda: self._load(args, kwargs), tags)

    async def _load(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes | None:
        result = await self.__wrapped__(*args, **kwargs)
        return None if result is None else self._encode(result)

    async def _instead(self, key: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> T:
        """Run the function because what was kept of it means nothing: another version of it has written that."""
        self._counts.broken += 1
        self._near.shelf.drop(key)
        value = await self._load(args, kwargs)
        if value is None:
            return None  # type: ignore[return-value] # the function has answered so
        answer: T = self._decode(value)
        return answer
