"""Topics in Redis: a stream each, read by one waiting command for all of them."""

from collections.abc import Mapping, Sequence
from typing import Final

from services.cache.adapters.redis import keys, scripts
from services.cache.adapters.redis.client import WAIT_MS, RedisClient
from services.cache.domain.bounds import MESSAGES_AT_ONCE
from services.cache.domain.position import NOWHERE, Position
from services.cache.ports import Message, Stamp

MESSAGES_KEPT: Final = 1_000
"""Messages of a topic that can be read again."""

TOPIC_EXPIRES_MS: Final = 3_600_000
"""A topic that nobody published to for so long is forgotten."""


class RedisTopics:
    """Answers `TopicStore` of the ports."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def publish(self, topic: str, payload: bytes, request_id: str, known_epoch: int) -> Position:
        """Add a message."""
        epoch, sequence = await self._client.run(
            scripts.PUBLISH,
            [keys.head(topic), keys.stream(topic)],
            [MESSAGES_KEPT, TOPIC_EXPIRES_MS, known_epoch, payload, request_id],
        )
        return Position(int(epoch), int(sequence))

    async def heads(self, topics: Sequence[str]) -> Sequence[Position]:
        """Tell where topics stand."""
        answers = await self._client.commands([("HMGET", keys.head(topic), "epoch", "sequence") for topic in topics])
        return [Position(int(epoch), int(sequence)) if epoch else NOWHERE for epoch, sequence in answers]

    async def between(self, topic: str, after: Position, until: Position) -> Sequence[Message]:
        """Read messages again."""
        first = _id(Position(after.epoch, after.sequence + 1))
        answer = await self._client.command("XRANGE", keys.stream(topic), first, _id(until))
        return [_message(*each) for each in answer]

    async def follow(self, cursors: Mapping[str, Position]) -> Mapping[str, Sequence[Message]]:
        """Wait for messages."""
        topics = {keys.stream(topic).encode(): topic for topic in cursors}
        answer = await self._client.wait(
            *("XREAD", "COUNT", MESSAGES_AT_ONCE, "BLOCK", WAIT_MS, "STREAMS"),
            *topics,
            *(_id(cursors[topic]) for topic in topics.values()),
        )
        return {topics[stream]: [_message(*each) for each in messages] for stream, messages in answer or ()}


def _id(position: Position) -> str:
    return f"{position.epoch}-{position.sequence}"


def _message(id_: bytes, fields: Sequence[bytes]) -> Message:
    epoch, _, sequence = id_.partition(b"-")
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    stamp = Stamp(int(named[b"i"]), int(named[b"v"])) if b"v" in named else None
    return Message(
        position=Position(int(epoch), int(sequence)),
        payload=named[b"p"],
        request_id=named.get(b"r", b"").decode(),
        stamp=stamp,
    )
