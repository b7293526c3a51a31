"""The link to the store: whether it may be asked, what is known of it, and what it is owed.

           ┌────────────── a call failed, or the follower heard nothing ─────────────┐
           ▼                                                                         │
         DOWN ── the follower asked for its state, caught up, paid what was owed ──▶ UP          OFF: no store at all

1. While DOWN only the follower touches the store, so no caller ever pays for finding out that it is still down.
2. A write that did not reach the store, or may not have, is a debt of its namespace: before the link is UP again the
   whole namespace is invalidated in the store, so that nothing older can come back from there.
3. A session lasts while every change of the other replicas is heard. What was read in one session is worth nothing in
   the next: the change that outdated it may have been among those that were missed.
"""

import asyncio
from contextlib import suppress
from enum import Enum
from math import inf
from typing import Final

import structlog

from services.cache.ports import Stamp

SETTLE_S: Final = 0.5
"""How long the settling of doubts is waited for; the follower hears of their reason at once."""

_log = structlog.get_logger(__name__)


class LinkState(Enum):
    """How the store is doing. The values are those of GetStats."""

    OFF = "off"
    DOWN = "down"
    UP = "up"


class Link:
    """The one view of the store that everything in this replica shares. `known` is the highest stamp seen so far."""

    def __init__(self, *, configured: bool, known: int) -> None:
        self.state = LinkState.DOWN if configured else LinkState.OFF
        self.incarnation = 0
        self.known = known
        self.session = 0
        self.doubts = 0
        self._heard_s = -inf
        self._settled = 0
        self._turned = asyncio.Event()
        self.owed: set[str] = set()

    @property
    def is_up(self) -> bool:
        """Tell whether the store may be written to."""
        return self.state is LinkState.UP

    @property
    def in_doubt(self) -> bool:
        """Tell whether the follower has to look at the store's state before anything from there can be judged."""
        return self.doubts != self._settled

    @property
    def is_trusted(self) -> bool:
        """Tell whether the store may be read, because what comes from there can be judged."""
        return self.state is LinkState.UP and not self.in_doubt

    @property
    def hears_all(self) -> bool:
        """Tell whether every replica that there is would be heard: they are heard, or there is none."""
        return self.state is LinkState.OFF or self.is_trusted

    def heard(self, now_s: float) -> None:
        """Note that all that the others said until now was heard. Times are those of the monotonic clock."""
        self._heard_s = now_s

    def unheard_ms(self, now_s: float) -> float:
        """Tell for how long nothing may have been heard of the others."""
        return (now_s - self._heard_s) * 1_000

    def lose(self, cause: str) -> None:
        """Take the link down, and end the session: what is being read may come from a store that is another by then."""
        if self.state is LinkState.UP:
            _log.warning("redis_down", cause=cause)
            self.state = LinkState.DOWN
            self.session += 1
            self._turned.set()

    def find(self, doubts: int) -> None:
        """Take the link up. Nothing may be owed. `doubts` are those that there were before the store was looked at."""
        assert not self.owed, "debts are paid first"
        self._settled = doubts
        self._turned.set()
        if self.state is LinkState.DOWN:
            _log.info("redis_up", incarnation=self.incarnation)
            self.state = LinkState.UP

    def doubt(self) -> None:
        """End the session, and have the follower look at the store's state again: it is not what it was."""
        self.doubts += 1
        self.session += 1

    async def settle(self) -> None:
        """Wait until doubts are settled or the link is down, SETTLE_S at the most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                while self.in_doubt and self.is_up:
                    self._turned.clear()
                    await self._turned.wait()

    def begin(self, incarnation: int, version: int) -> None:
        """Begin a session."""
        self.incarnation = incarnation
        self.session += 1
        self.learn(version)

    def learn(self, version: int) -> None:
        """Take note of a stamp."""
        self.known = max(self.known, version)

    def owe(self, namespace: str) -> None:
        """Note that a write of a namespace did not reach the store; without a store there is nothing to owe."""
        if self.state is not LinkState.OFF:
            self.owed.add(namespace)

    def own_stamp(self) -> Stamp:
        """Stamp a write that stays in this replica."""
        self.known += 1
        return Stamp(self.incarnation, self.known)
