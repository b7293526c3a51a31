"""Leases: of all callers who miss an entry, at all replicas, one is told to load it.

    Get        L1, then the store: the entry, or the lease, or who has it ──▶ who wins loads
                                                                        └──▶ the others take what is stale, or wait
    Set        with the token: written only while the lease stands, with the token for its version
    Release    so that the next may load at once

1. A token is the stamp that the store gave when the lease was granted, and the version of what fills it. So whatever
   was invalidated after that kills the fill, however late it comes: by its marks, or, where its key was written or
   deleted, because the lease ended in the same script.
2. While the store is off or down, leases are of this process alone; they end when it comes back, and one that the
   store granted cannot be filled until then.
3. A lease whose winner has gone before it was told is given back. One whose winner dies ends by itself.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, NamedTuple

import structlog

from services.cache.domain.entry import Entry, Key
from services.cache.domain.found import MISSED, Found, Tier, found
from services.cache.domain.namespace import Namespace
from services.cache.engine.link import Link
from services.cache.engine.loads import Lease, Loads, Room, Verdict
from services.cache.engine.tally import Tally
from services.cache.engine.tiers import Filled, Item, Tiers, draft_of
from services.cache.ports import LeaseStore, Stamp, StoreDown
from services.chassis.clock import Clock

ASKS_MAX: Final = 4
"""How often the store is asked for one verdict, when every answer was overtaken."""

BUSY_MS: Final = 20
"""When to come back for an entry about which no verdict could be had."""

_log = structlog.get_logger(__name__)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


class Wanted(NamedTuple):
    """The answer to a caller who would load. Times are in milliseconds."""

    found: Found
    fresh_for_ms: int = 0
    token: int = 0
    ends_in_ms: int = 0
    retry_after_ms: int = 0


class Leases:
    """Answers those who want to load. `store` is None where the link is off."""

    def __init__(self, *, tiers: Tiers, link: Link, store: LeaseStore | None, tally: Tally, clock: Clock) -> None:
        self._tiers = tiers
        self._loads: Loads = tiers.loads
        self._link = link
        self._store = store
        self._counts = tally.namespaces
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, namespace: Namespace, name: str, max_stale_ms: int, wait_ms: int) -> Wanted:
        """Look an entry up for a caller who would load it, and wait for another's load for so long."""
        wanted = await self._get(namespace, Key(namespace.name, name), max_stale_ms, wait_ms)
        counts = self._counts[namespace.name]
        counts.count(wanted.found)
        counts.leases += bool(wanted.token)
        if namespace.sliding:
            await self._tiers.slide(namespace, (Key(namespace.name, name),), (wanted.found,))
        return wanted

    async def fill(self, namespace: Namespace, item: Item, token: int) -> Filled:
        """Write what was loaded, if the lease still stands."""
        filled = await self._fill(namespace, item, token)
        counts = self._counts[namespace.name]
        if filled.stored:
            counts.sets += 1
        else:
            counts.fills_refused += 1
        return filled

    async def release(self, key: Key, token: int) -> None:
        """Give a lease back, if it still stands."""
        own = self._loads.own(key, _now_s())
        if own is not None and own.token == token:
            self._loads.void(key)
            return
        if self._store is None or not self._link.is_up:
            return
        try:
            await self._store.release(key, Stamp(self._link.incarnation, token))
        except StoreDown as down:
            self._link.lose(str(down))
        else:
            self._loads.stir(key)

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _get(self, namespace: Namespace, key: Key, max_stale_ms: int, wait_ms: int) -> Wanted:
        until_s = _now_s() + wait_ms / 1_000
        has_waited = False
        while True:
            entry, tier = self._tiers.held(namespace, key), Tier.L1
            if entry is not None and entry.is_fresh(self._clock.now_ms()):
                return self._fresh(entry, tier)
            held_until_s = self._loads.held_until_s(key)
            if not held_until_s:
                verdict = await self._join(namespace, key)
                held_until_s = verdict.held_until_s
                entry, tier = (verdict.entry, Tier.L2) if verdict.entry else (self._tiers.held(namespace, key), tier)
                if entry is not None and entry.is_fresh(self._clock.now_ms()):
                    return self._fresh(entry, tier)
                if verdict.lease is not None:
                    return self._won(verdict.lease, self._stale(entry, tier, max_stale_ms))
            now_s = _now_s()
            retry_after_ms = max(int((held_until_s - now_s) * 1_000), BUSY_MS)
            stale = self._stale(entry, tier, max_stale_ms)
            if stale is not MISSED or now_s >= until_s:
                return Wanted(stale, retry_after_ms=retry_after_ms)
            if not has_waited:
                has_waited = True
                self._counts[namespace.name].waits += 1
            within_s = until_s - now_s if held_until_s else min(until_s - now_s, BUSY_MS / 1_000)
            if not await self._loads.wait(key, within_s):
                return Wanted(MISSED, retry_after_ms=retry_after_ms)

    def _fresh(self, entry: Entry, tier: Tier) -> Wanted:
        now_ms = self._clock.now_ms()
        return Wanted(found(entry, tier, now_ms), fresh_for_ms=max(entry.fresh_until_ms - now_ms, 0))

    def _stale(self, entry: Entry | None, tier: Tier, max_stale_ms: int) -> Found:
        now_ms = self._clock.now_ms()
        return found(entry, tier, now_ms) if entry and entry.is_allowed(now_ms, max_stale_ms) else MISSED

    def _won(self, lease: Lease, stale: Found) -> Wanted:
        left_ms = int((lease.until_s - _now_s()) * 1_000)
        return Wanted(stale, token=lease.token, ends_in_ms=max(left_ms, 0))

    async def _join(self, namespace: Namespace, key: Key) -> Verdict:
        """Ask who loads a key, together with everybody here who asks at the same time."""
        room = self._loads.room(key)
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        room.joined.append(verdict)
        if room.asking is None:
            room.asking = self._start(self._ask(namespace, key, room))
        try:
            return await verdict
        except asyncio.CancelledError:
            if verdict.done() and not verdict.cancelled() and (lease := verdict.result().lease) is not None:
                self._start(self.release(key, lease.token))
            raise

    async def _ask(self, namespace: Namespace, key: Key, room: Room) -> None:
        try:
            verdict = await self._settled_verdict(namespace, key, room)
        except BaseException as error:
            room.asking = None
            for each in room.joined:
                if not each.done():
                    each.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            room.joined.clear()
            self._loads.leave(key, room)
            raise
        room.asking = None
        if verdict.held_until_s:
            self._loads.hold(key, room, verdict.held_until_s, _now_s())
        self._tell(key, room, verdict)
        self._loads.leave(key, room)

    def _tell(self, key: Key, room: Room, verdict: Verdict) -> None:
        """Tell the verdict to all who joined; the lease is for the first of them who is still there."""
        joined, room.joined = room.joined, []
        for each in joined:
            if not each.done():
                each.set_result(verdict)
                verdict = verdict._replace(lease=None)
        if verdict.lease is not None:
            self._start(self.release(key, verdict.lease.token))

    async def _settled_verdict(self, namespace: Namespace, key: Key, room: Room) -> Verdict:
        """Ask until nothing changed meanwhile: of what did, nobody knows whether it was before the answer or after."""
        for _ in range(ASKS_MAX):
            room.stirred = False
            verdict = await self._verdict(namespace, key)
            if not room.stirred:
                return verdict
            if verdict.lease is not None:
                return Verdict(lease=verdict.lease)
        return Verdict()

    async def _verdict(self, namespace: Namespace, key: Key) -> Verdict:
        """Look at the store and ask for the lease, until one answer fits the other."""
        void = 0
        for _ in range(ASKS_MAX):
            if self._link.is_up and self._link.in_doubt:
                await self._link.settle()
            if self._store is None or not self._link.is_trusted:
                return self._own_verdict(namespace, key)
            seen = await self._tiers.examine(key)
            if seen.entry is not None and seen.entry.is_fresh(self._clock.now_ms()):
                return Verdict(seen.entry)
            self._counts[namespace.name].misses_l2 += seen.entry is None
            if not self._link.is_trusted:
                continue
            asked_s = _now_s()
            try:
                asked = await self._store.lease(key, seen.version, void, namespace.lease_ms, self._link.known)
            except StoreDown as down:
                self._link.lose(str(down))
                continue
            if asked.incarnation != self._link.incarnation:
                self._tiers.doubt(asked.incarnation)
                continue
            self._link.learn(asked.token)
            until_s = asked_s + asked.ends_in_ms / 1_000
            if asked.token:
                return Verdict(seen.entry, Lease(asked.token, until_s), until_s)
            if asked.holder and not self._tiers.kills(key, asked.holder):
                return Verdict(seen.entry, None, until_s)
            void = asked.holder
        return Verdict()

    def _own_verdict(self, namespace: Namespace, key: Key) -> Verdict:
        now_s = _now_s()
        own = self._loads.own(key, now_s)
        if own is not None and not self._tiers.kills(key, own.token):
            return Verdict(held_until_s=own.until_s)
        lease = Lease(self._link.own_stamp().version, now_s + namespace.lease_ms / 1_000)
        if not self._loads.give(key, lease, now_s):
            return Verdict()
        return Verdict(None, lease, lease.until_s)

    async def _fill(self, namespace: Namespace, item: Item, token: int) -> Filled:
        key = Key(namespace.name, item.key)
        draft = draft_of(namespace, item, self._clock.now_ms())
        filled = Filled(token, stored=True, fresh_for_ms=draft.fresh_until_ms - draft.created_ms)
        stamp, began = Stamp(self._link.incarnation, token), self._tiers.began()
        own = self._loads.own(key, _now_s())
        if own is not None and own.token == token and not self._link.is_up:
            self._loads.void(key)
            self._link.owe(namespace.name)
            if not self._tiers.kills(key, token, item.tags) and self._tiers.took(
                namespace.name, (draft,), stamp, began
            ):
                return filled
            return Filled(0, stored=False)
        if self._link.is_up and self._link.in_doubt:
            await self._link.settle()
        if self._store is None or not self._link.is_trusted:
            return Filled(0, stored=False)
        if self._tiers.kills(key, token, item.tags):
            await self.release(key, token)
            return Filled(0, stored=False)
        try:
            kept = await self._store.fill(namespace.name, draft, stamp)
        except StoreDown as down:
            self._link.lose(str(down))
            return Filled(0, stored=False)
        if not kept.stored:
            self._tiers.doubt(kept.incarnation)
            return Filled(kept.version, stored=False)
        if not self._tiers.took(namespace.name, (draft,), Stamp(kept.incarnation, token), began):
            return Filled(0, stored=False)
        return filled

    def _start(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(errand)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("lease_failed", exc_info=error)
