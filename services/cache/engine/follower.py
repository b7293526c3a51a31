"""The follower: one task that keeps this replica in touch with the store and so with the other replicas.

It waits at the store for messages of every topic that is followed here, the topic of changes first of all. While the
link is down it is the only one who asks for the store, now and then, and takes the link up again:

    heads     where every followed topic stands; a topic that moved backwards or to another epoch is a GAP
    state     incarnation and marks, read after the heads: what changes in between is heard of twice, which is no harm
    begin     unless it is the incarnation that was known, and nothing was doubted or missed, L1 forgets everything
    debts     every namespace with a write that did not arrive is invalidated

A gap in the topic of changes, and anything of an incarnation that is not known, lead through the same door.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from services.cache.domain.bounds import MESSAGES_AT_ONCE
from services.cache.domain.change import CHANGES_TOPIC, Change, Scope, decode
from services.cache.domain.position import NOWHERE, Position
from services.cache.engine.link import Link
from services.cache.engine.mailbox import Event, Kind
from services.cache.engine.tiers import Tiers
from services.cache.engine.topics import Subscriber, Topics, events_after
from services.cache.ports import EntryStore, Message, StoreDown, StoreState, TopicStore
from services.chassis.clock import Clock

PROBES_S: Final = (0.05, 0.1, 0.25, 0.5)
"""How long to wait before a store that is down is asked for again, in seconds: soon at first, because a machine may
only have been busy, and then at the last of these intervals."""

LOOK_S: Final = 0.1
"""How often the store's incarnation is looked at, and subscribers told that it was, in seconds, while messages come
without a pause. In every pause it is looked at as well."""

STUCK_S: Final = 30.0
"""A follower that has not moved for so long is stuck; a step of it takes less than a second."""

_log = structlog.get_logger(__name__)


class Follower:
    """Runs as one task from `start` to `close`."""

    def __init__(
        self,
        *,
        tiers: Tiers,
        topics: Topics,
        link: Link,
        entries: EntryStore,
        state: StoreState,
        messages: TopicStore,
        clock: Clock,
    ) -> None:
        self._tiers = tiers
        self._topics = topics
        self._link = link
        self._entries = entries
        self._state = state
        self._messages = messages
        self._clock = clock
        self._cursors: dict[str, Position] = {CHANGES_TOPIC: NOWHERE}
        self._looked_s = self._moved_s = clock.monotonic_s()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look for the store once, so that a replica begins with the link up where it can, and then go on."""
        await self.move()
        if not self._link.is_up:
            _log.warning("redis_down", cause="it does not answer at the start")
        self._task = asyncio.create_task(self._run(), name="follower")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def alive(self) -> bool:
        """Tell whether it still moves, whatever the store does."""
        moves = self._clock.monotonic_s() - self._moved_s < STUCK_S
        return moves and self._task is not None and not self._task.done()

    async def move(self) -> None:
        """Do one step: find the store or hear from it. Whatever goes wrong takes the link down, and is over with it."""
        self._moved_s = self._clock.monotonic_s()
        try:
            if self._link.in_doubt or not self._link.is_up:
                await self._find()
            else:
                await self._hear()
        except StoreDown as down:
            self._link.lose(str(down))
        except Exception as defect:
            # A defect of ours. The task must live on: without it nothing is ever invalidated here again.
            _log.exception("follower_failed")
            self._link.doubt()
            self._link.lose(repr(defect))

    async def _run(self) -> None:
        probes = 0
        while True:
            if self._link.is_up:
                probes = 0
            else:
                await asyncio.sleep(PROBES_S[min(probes, len(PROBES_S) - 1)])
                probes += 1
            await self.move()

    async def _find(self) -> None:
        """Ask for the store's state, catch up with it, pay what is owed to it, and take the link up."""
        doubts, in_doubt = self._link.doubts, self._link.in_doubt  # whatever is doubted from now on is looked at again
        asked_s = self._clock.monotonic_s()
        followed = [CHANGES_TOPIC, *self._topics.followed]
        heads = dict(zip(followed, await self._messages.heads(followed), strict=True))
        state = await self._state.state(self._link.known)
        missed = heads[CHANGES_TOPIC] != self._cursors[CHANGES_TOPIC]
        if in_doubt or missed or state.incarnation != self._link.incarnation:
            self._tiers.begin(state)
        self._cursors = {topic: self._resume(topic, head) for topic, head in heads.items()}
        while self._link.owed:
            await self._pay(self._link.owed.pop())
        self._link.heard(asked_s)
        self._link.find(doubts)

    async def _pay(self, namespace: str) -> None:
        change = Change(namespace, Scope.NAMESPACE)
        try:
            stamp = await self._entries.forget(change, self._link.known)
        except StoreDown:
            self._link.owe(namespace)
            raise
        self._tiers.apply(change, stamp)

    def _resume(self, topic: str, head: Position) -> Position:
        """Tell from where to read on in a topic, and its subscribers when that is not where they were."""
        cursor = self._cursors.get(topic, head)
        if topic == CHANGES_TOPIC:
            return head
        if head.epoch == cursor.epoch and head.sequence >= cursor.sequence:
            return cursor
        self._topics.deliver(topic, Event(Kind.GAP, head))
        return head

    async def _hear(self) -> None:
        """Admit newcomers, wait for messages, and look from time to time whether the store is still the same."""
        for newcomer in self._topics.newcomers:
            await self._admit(newcomer)
        self._forget_topics()
        asked_s = self._clock.monotonic_s()
        heard = await self._messages.follow(self._cursors)
        if len(heard.get(CHANGES_TOPIC, ())) < MESSAGES_AT_ONCE:  # with as many there may be more
            self._link.heard(asked_s)
        for topic, messages in heard.items():
            self._take(topic, messages)
        if not heard or self._clock.monotonic_s() - self._looked_s >= LOOK_S:
            await self._look()

    async def _look(self) -> None:
        if await self._state.incarnation() != self._link.incarnation:
            self._link.doubt()
            return
        self._looked_s = self._clock.monotonic_s()
        for topic, cursor in self._cursors.items():
            self._topics.beat(topic, cursor)

    async def _admit(self, newcomer: Subscriber) -> None:
        """Tell a newcomer where its topic stands, with the messages that it missed as far as they are kept."""
        topic, after = newcomer.topic, newcomer.after
        if topic not in self._cursors:
            (self._cursors[topic],) = await self._messages.heads([topic])
        cursor = self._cursors[topic]
        if after is None or after == cursor:
            first = [Event(Kind.HEARTBEAT, cursor)]
        elif after.epoch == cursor.epoch and after.sequence < cursor.sequence:
            first = list(events_after(after, await self._messages.between(topic, after, cursor)))
            if not first or first[-1].position != cursor:
                first.append(Event(Kind.GAP, cursor))
        else:
            first = [Event(Kind.GAP, cursor)]
        self._topics.admit(newcomer, first)

    def _forget_topics(self) -> None:
        unfollowed = self._cursors.keys() - set(self._topics.followed) - {CHANGES_TOPIC}
        for topic in unfollowed:
            del self._cursors[topic]

    def _take(self, topic: str, messages: Sequence[Message]) -> None:
        if topic == CHANGES_TOPIC:
            self._take_changes(messages)
            return
        for event in events_after(self._cursors[topic], messages):
            self._topics.deliver(topic, event)
        self._cursors[topic] = messages[-1].position

    def _take_changes(self, messages: Sequence[Message]) -> None:
        """Take changes in, until one does not follow or means nothing: what is missing then is in the store's state."""
        for message in messages:
            change = _change(message)
            if change is None or not self._cursors[CHANGES_TOPIC].is_followed_by(message.position):
                self._link.doubt()
                return
            self._cursors[CHANGES_TOPIC] = message.position
            assert message.stamp is not None, "a change has a stamp"
            self._tiers.apply(change, message.stamp)


def _change(message: Message) -> Change | None:
    """Read a change; None for one that a later version wrote, or nobody of ours."""
    try:
        change = decode(message.payload)
    except ValueError:
        return None
    return change if message.stamp is not None else None
