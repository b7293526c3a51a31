"""Conditional writes: the entry is compared by its version, in the script that writes it.

The store compares versions and nothing else. What a version is worth is judged here before: an entry that is dead by a
mark, not fresh any more, or that says that there is nothing, is none for who writes only where there is none.

Nobody else may decide: while the store is down such a write is refused. One that was sent and not answered may have
been done; the caller is told that its time is over, which nothing tries again by itself.
"""

from typing import Final

from furlong.common.v1.error_pb2 import Reason

from services.cache.domain.entry import Draft, Entry, Key
from services.cache.domain.namespace import Namespace
from services.cache.domain.outcome import Outcome
from services.cache.engine.link import Link, LinkState
from services.cache.engine.tally import Tally
from services.cache.engine.tiers import Filled, Item, Seen, Tiers, draft_of
from services.cache.ports import ConditionStore, Stamp, StoreDown
from services.chassis.clock import Clock
from services.chassis.refusal import Refusal

TRIES_MAX: Final = 4
"""How often an entry is looked at again because it changed before it was written."""

MISSING: Final = 0
"""The version that stands for no entry."""


class Conditions:
    """Writes under a condition. `store` is None where the link is off."""

    def __init__(self, *, tiers: Tiers, link: Link, store: ConditionStore | None, tally: Tally, clock: Clock) -> None:
        self._tiers = tiers
        self._link = link
        self._store = store
        self._counts = tally.namespaces
        self._clock = clock

    async def set(self, namespace: Namespace, item: Item, version: int) -> Filled:
        """Write an entry while the present one has a version, or, with MISSING, while there is none that is fresh.

        Raises Refusal DEPENDENCY_DOWN where nothing was done, OUT_OF_TIME where that is not known.
        """
        key = Key(namespace.name, item.key)
        draft = draft_of(namespace, item, self._clock.now_ms())
        filled = await self._set(namespace, key, draft, version)
        self._counts[namespace.name].sets += filled.stored
        return filled

    async def _set(self, namespace: Namespace, key: Key, draft: Draft, version: int) -> Filled:
        if self._store is None:
            return self._set_alone(namespace, key, draft, version)
        seen = Seen(0, None)
        for _ in range(TRIES_MAX):
            if self._link.is_up and self._link.in_doubt:
                await self._link.settle()
            seen = await self._tiers.examine(key)
            if not self._link.is_trusted:
                raise _down()
            if not self._holds(seen.entry, version):
                break
            began = self._tiers.began()
            try:
                kept = await self._store.replace(namespace.name, draft, seen.version, self._link.known)
            except StoreDown as down:
                self._link.lose(str(down))
                self._tiers.memory.drop(key)
                raise Refusal(Reason.OUT_OF_TIME, "Redis did not answer; whether it was stored is not known") from down
            if kept.stored:
                self._link.learn(kept.version)
                self._tiers.took(namespace.name, (draft,), Stamp(kept.incarnation, kept.version), began)
                return Filled(kept.version, stored=True, fresh_for_ms=draft.fresh_until_ms - draft.created_ms)
            self._tiers.doubt(kept.incarnation)
        return Filled(0 if seen.entry is None else seen.entry.version, stored=False)

    def _set_alone(self, namespace: Namespace, key: Key, draft: Draft, version: int) -> Filled:
        assert self._link.state is LinkState.OFF, "a store decides where there is one"
        entry = self._tiers.held(namespace, key)
        if not self._holds(entry, version):
            return Filled(0 if entry is None else entry.version, stored=False)
        stamp = self._link.own_stamp()
        self._tiers.took(namespace.name, (draft,), stamp, self._tiers.began())
        return Filled(stamp.version, stored=True, fresh_for_ms=draft.fresh_until_ms - draft.created_ms)

    def _holds(self, entry: Entry | None, version: int) -> bool:
        if version == MISSING:
            return entry is None or entry.outcome is Outcome.ABSENT or not entry.is_fresh(self._clock.now_ms())
        return entry is not None and entry.version == version and self._clock.now_ms() < entry.stale_until_ms


def _down() -> Refusal:
    return Refusal(Reason.DEPENDENCY_DOWN, "Redis does not answer, and only there can it be compared; nothing was done")
