"""Topics: what is published goes to the store; what the follower reads there goes to this replica's subscribers."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from furlong.common.v1.error_pb2 import Reason

from services.cache.domain.position import Position
from services.cache.engine.link import Link
from services.cache.engine.mailbox import Event, Kind, Mailbox
from services.cache.ports import Message, StoreDown, TopicStore
from services.chassis.refusal import Refusal

SUBSCRIBERS_MAX: Final = 1_000
"""Subscriptions of this replica. Each replica of a service has one per topic that it follows."""

OVERLOADED_RETRY_MS: Final = 1_000
DRAINING_RETRY_MS: Final = 200


class Subscriber:
    """One subscription. `after` is the last message that it saw, None when it begins with what comes next."""

    __slots__ = ("after", "mailbox", "topic")

    def __init__(self, topic: str, after: Position | None) -> None:
        self.topic = topic
        self.after = after
        self.mailbox = Mailbox()


class Topics:
    """The subscribers, by topic, and those who do not yet know where their topic stands."""

    def __init__(self, *, store: TopicStore | None, link: Link) -> None:
        self._store = store
        self._link = link
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._newcomers: dict[Subscriber, None] = {}
        self._epochs: dict[str, int] = {}
        self._count = 0
        self._draining = False

    async def publish(self, topic: str, payload: bytes, request_id: str) -> Position:
        """Give a message to all subscribers of a topic, and tell where it stands. Raises Refusal DEPENDENCY_DOWN."""
        if self._store is None or not self._link.is_up:
            raise _down()
        try:
            return await self._store.publish(topic, payload, request_id, self._epochs.get(topic, 0))
        except StoreDown as down:
            self._link.lose(str(down))
            raise _down() from down

    @contextmanager
    def subscribe(self, topic: str, after: Position | None, *, own: bool = False) -> Iterator[Mailbox]:
        """Follow a topic for as long as the context lasts. Raises Refusal OVERLOADED or DRAINING.

        The cache's `own` subscriptions take no caller's place.
        """
        if self._draining:
            raise _draining()
        if self._count >= SUBSCRIBERS_MAX:
            raise Refusal(
                Reason.OVERLOADED,
                f"{SUBSCRIBERS_MAX} subscriptions are open, which is all that this replica takes",
                retry_in_ms=OVERLOADED_RETRY_MS,
            )
        subscriber = Subscriber(topic, after)
        self._count += not own
        self._newcomers[subscriber] = None
        try:
            yield subscriber.mailbox
        finally:
            self._count -= not own
            self._leave(subscriber)

    def drain(self) -> None:
        """End every subscription once it has what waits for it; none is let in any more."""
        self._draining = True
        for subscriber in (*self._newcomers, *(each for room in self._subscribers.values() for each in room)):
            subscriber.mailbox.end(_draining())

    @property
    def newcomers(self) -> Sequence[Subscriber]:
        """Those whom the follower has to tell where their topic stands."""
        return tuple(self._newcomers)

    @property
    def followed(self) -> Iterable[str]:
        """The topics with subscribers."""
        return self._subscribers.keys()

    def admit(self, subscriber: Subscriber, first: Iterable[Event]) -> None:
        """Let a newcomer hear what comes from now on, after `first`. One who left meanwhile stays away."""
        if subscriber not in self._newcomers:
            return
        del self._newcomers[subscriber]
        self._subscribers.setdefault(subscriber.topic, set()).add(subscriber)
        for event in first:
            self._know(subscriber.topic, event.position)
            subscriber.mailbox.put(event)

    def deliver(self, topic: str, event: Event) -> None:
        """Give an event to all subscribers of a topic."""
        self._know(topic, event.position)
        for subscriber in self._subscribers.get(topic, ()):
            subscriber.mailbox.put(event)

    def beat(self, topic: str, position: Position) -> None:
        """Tell the subscribers of a topic that it is alive."""
        for subscriber in self._subscribers.get(topic, ()):
            subscriber.mailbox.beat(position)

    def _know(self, topic: str, position: Position) -> None:
        self._epochs[topic] = max(position.epoch, self._epochs.get(topic, 0))

    def _leave(self, subscriber: Subscriber) -> None:
        self._newcomers.pop(subscriber, None)
        room = self._subscribers.get(subscriber.topic)
        if room is not None:
            room.discard(subscriber)
            if not room:
                del self._subscribers[subscriber.topic]
                self._epochs.pop(subscriber.topic, None)


def events_after(cursor: Position, messages: Sequence[Message]) -> Iterator[Event]:
    """Turn messages into events, with a GAP wherever the next one does not follow."""
    for message in messages:
        if not cursor.is_followed_by(message.position):
            yield Event(Kind.GAP, Position(message.position.epoch, message.position.sequence - 1))
        yield Event(Kind.MESSAGE, message.position, message.payload, message.request_id)
        cursor = message.position


def _down() -> Refusal:
    return Refusal(Reason.DEPENDENCY_DOWN, "Redis does not answer, so nobody would hear of it; read it elsewhere")


def _draining() -> Refusal:
    return Refusal(Reason.DRAINING, "this replica goes away; resume at another one", retry_in_ms=DRAINING_RETRY_MS)
