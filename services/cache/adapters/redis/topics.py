"""Topics in Redis: a stream each, read by one waiting command for all of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from services.cache.adapters.redis import keys, scripts
from services.cache.adapters.redis.client import CALL_S, command, redis_span, within
from services.cache.adapters.redis.errands import Errands
from services.cache.domain.position import NOWHERE, Position
from services.cache.ports import Message, Stamp

MESSAGES_KEPT: Final = 1_000
"""Messages of a topic that can be read again."""

TOPIC_EXPIRES_MS: Final = 3_600_000
"""A topic that nobody published to for so long is forgotten."""

FOLLOW_MS: Final = 100
SERVER_TICK_MS: Final = 100
"""The longest that one command waits for a message, and what an idle server may add, which looks at its clock ten times
a second. A new subscriber waits this long at most for its first event, and it takes so long to see a black hole."""

FOLLOW_S: Final = (FOLLOW_MS + SERVER_TICK_MS) / 1_000

MESSAGES_AT_ONCE: Final = 64


class RedisTopics:
    """Answers `TopicStore` of the ports. `follower` is a client of its own that waits FOLLOW_S longer for answers."""

    def __init__(self, redis: Redis, follower: Redis) -> None:
        self._redis = redis
        self._follower = follower
        self._publish = redis.register_script(scripts.PUBLISH)
        self._errands = Errands()

    async def publish(self, topic: str, payload: bytes, request_id: str, known_epoch: int) -> Position:
        """Add a message."""
        arguments = [MESSAGES_KEPT, TOPIC_EXPIRES_MS, known_epoch, payload, request_id]
        epoch, sequence = await self._errands.run(self._append(topic, arguments))
        return Position(int(epoch), int(sequence))

    async def heads(self, topics: Sequence[str]) -> Sequence[Position]:
        """Tell where topics stand."""
        async with within(CALL_S):
            pipeline = self._redis.pipeline(transaction=False)
            for topic in topics:
                pipeline.execute_command("HMGET", keys.head(topic), "epoch", "sequence")
            answers: Any = await pipeline.execute()
        return [Position(int(epoch), int(sequence)) if epoch else NOWHERE for epoch, sequence in answers]

    async def between(self, topic: str, after: Position, until: Position) -> Sequence[Message]:
        """Read messages again."""
        first = _id(Position(after.epoch, after.sequence + 1))
        async with within(CALL_S):
            answer = await command(self._redis, "XRANGE", keys.stream(topic), first, _id(until))
        return [_message(*each) for each in answer]

    async def follow(self, cursors: Mapping[str, Position]) -> Mapping[str, Sequence[Message]]:
        """Wait for messages."""
        topics = {keys.stream(topic).encode(): topic for topic in cursors}
        async with within(FOLLOW_S + CALL_S):
            answer = await command(
                self._follower,
                *("XREAD", "COUNT", MESSAGES_AT_ONCE, "BLOCK", FOLLOW_MS, "STREAMS"),
                *topics,
                *(_id(cursors[topic]) for topic in topics.values()),
            )
        if isinstance(answer, dict):  # the shape of RESP3, whatever was asked for
            answer = answer.items()
        return {topics[stream]: [_message(*each) for each in messages] for stream, messages in answer or ()}

    async def close(self) -> None:
        """Wait for the messages that are under way."""
        await self._errands.close()

    async def _append(self, topic: str, arguments: Sequence[Any]) -> Any:
        with redis_span("publish"):
            async with within(CALL_S):
                return await self._publish(keys=[keys.head(topic), keys.stream(topic)], args=arguments)


def _id(position: Position) -> str:
    return f"{position.epoch}-{position.sequence}"


def _message(id_: bytes, fields: Any) -> Message:
    epoch, _, sequence = id_.partition(b"-")
    named = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))
    stamp = Stamp(int(named[b"i"]), int(named[b"v"])) if b"v" in named else None
    return Message(
        position=Position(int(epoch), int(sequence)),
        payload=named[b"p"],
        request_id=named.get(b"r", b"").decode(),
        stamp=stamp,
    )
