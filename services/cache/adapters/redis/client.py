"""The one client: how long it waits, and what it makes of everything that goes wrong.

redis-py waits five seconds and tries ten times unless it is told otherwise, which turns an outage of Redis into a
minute of silence for a call that only wanted to be faster. Here nothing is tried twice, and no call waits longer than
CALL_S in all, whatever it waits for: a free connection, a new one, or an answer.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from opentelemetry import trace
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from services.cache import telemetry_names as names
from services.cache.ports import StoreDown

CALL_S: Final = 0.05
"""The longest that a call may wait for Redis, in seconds."""

CONNECTIONS_MAX: Final = 16
"""Reads of one moment share a command, so few connections are ever in use at once."""

FOREIGN: Final = (RedisError, OSError, TimeoutError)
"""What redis-py raises. All of it means the same to a cache: this time Redis did not help."""

_tracer = trace.get_tracer(__name__)


def connect(url: str, *, wait_s: float = 0.0, connections_max: int = CONNECTIONS_MAX) -> Redis:
    """Make a client; it connects when it is first used.

    `wait_s` is added to the time of an answer, for commands that wait at the server. Raises ValueError for an address
    that is none.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections_max,
        timeout=CALL_S,
        socket_timeout=wait_s + CALL_S,
        socket_connect_timeout=CALL_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,  # one reply shape for every command, and no greeting to wait for
        driver_info=None,  # nor one that nobody reads
    )
    return Redis.from_pool(pool)


async def command(redis: Redis, *words: str | bytes | int) -> Any:
    """Send one command; what comes back is as the server sent it, lists and bytes."""
    return await redis.execute_command(*words)  # type: ignore[no-untyped-call] # redis-py leaves it untyped


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Bound what is done with Redis in time, and raise StoreDown for everything that goes wrong with it."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except FOREIGN as error:
        raise StoreDown(f"{type(error).__name__}: {error}") from error


@contextmanager
def redis_span(name: str, callers: Sequence[trace.SpanContext] = (), size: int = 1) -> Iterator[None]:
    """A span for one command, only where somebody is traced.

    `callers` are those who share a command: the span is below the first of them and linked to all. Without them it is
    below whatever is being done now.
    """
    if not callers and not trace.get_current_span().is_recording():
        yield
        return
    attributes: dict[str, Any] = {names.DB_SYSTEM_NAME: "redis", names.DB_OPERATION_NAME: name}
    if size > 1:
        attributes[names.DB_OPERATION_BATCH_SIZE] = size
    parent = trace.set_span_in_context(trace.NonRecordingSpan(callers[0])) if callers else None
    with _tracer.start_as_current_span(
        names.SPAN_REDIS_PREFIX + name,
        context=parent,
        kind=trace.SpanKind.CLIENT,
        attributes=attributes,
        links=[trace.Link(caller) for caller in callers],
    ):
        yield
