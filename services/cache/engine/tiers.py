"""The two tiers: L1 in this process, L2 in the store.

    Get         L1 ── nothing there that the caller may have ──▶ L2 ──▶ kept in L1
    Set         L2, stamped, told to the others ──▶ L1
    Invalidate  L2: keys removed or a mark left, told to the others ──▶ L1: keys dropped, the mark taken in
                (or made stale, or a mark that makes stale)

1. No caller is ever told of the store's troubles: a read that fails is a miss, a write that fails stays here and is
   owed.
2. L1 holds nothing that a change heard of has outdated: what a read brings is judged by the marks, by the keys that
   changed while it was under way, and by the session that it began in.
3. While the others cannot be heard, L1 answers for as long as the namespace's coherence allows.
"""

from collections.abc import Awaitable, Callable, Sequence
from random import random
from typing import Final, NamedTuple

from services.cache.domain.bounds import ANSWER_VALUE_BYTES_MAX, READ_KEYS_MAX
from services.cache.domain.change import Change, Mode, Scope
from services.cache.domain.entry import Draft, Entry, Key, decode
from services.cache.domain.found import MISSED, OMITTED, Found, Tier, found
from services.cache.domain.marks import Fate, Marks
from services.cache.domain.memory import Memory
from services.cache.domain.namespace import CANARY, NAMESPACES, Namespace
from services.cache.domain.recent_keys import RecentKeys
from services.cache.engine.link import Link
from services.cache.engine.loads import Loads
from services.cache.engine.tally import Tally
from services.cache.engine.watchers import Watchers
from services.cache.ports import EntryStore, Stamp, State, StoreDown
from services.chassis.clock import Clock

_L1: Final = Tier.L1  # to look a member up in its enum costs as much as to find an entry
_ALIVE: Final = Fate.ALIVE


class Item(NamedTuple):
    """An entry to write. `ttl_ms` 0 takes the namespace's."""

    key: str
    value: bytes
    ttl_ms: int
    tags: tuple[str, ...]
    absent: bool = False
    load_ms: int = 0


class Filled(NamedTuple):
    """What became of a write. `version` is the entry's now, 0 where nothing is known of it."""

    version: int
    stored: bool
    fresh_for_ms: int = 0


class Began(NamedTuple):
    """Where this replica stood when a call of the store began: what it is judged by when it ends."""

    changes: int
    session: int


class Seen(NamedTuple):
    """What is stored under a key: its version, 0 for none, and the entry where it is alive."""

    version: int
    entry: Entry | None


_NOTHING: Final = Seen(0, None)


class Tiers:
    """Entries of all namespaces. `store` is None where the link is off."""

    def __init__(
        self,
        *,
        memory: Memory,
        link: Link,
        store: EntryStore | None,
        watchers: Watchers,
        tally: Tally,
        clock: Clock,
    ) -> None:
        self.memory = memory
        self.loads = Loads()
        self._watchers = watchers
        self._marks = Marks()
        self._recent = RecentKeys()
        self._link = link
        self._store = store
        self._counts = tally.namespaces
        self._clock = clock

    async def get(self, namespace: Namespace, keys: Sequence[str], max_stale_ms: int) -> Sequence[Found]:
        """Look entries up, and answer each in the order of the keys."""
        now_ms = self._clock.now_ms()
        wanted = [Key(namespace.name, key) for key in keys]
        answers = self._look(namespace, wanted, now_ms, max_stale_ms)
        missing = [n for n, answer in enumerate(answers) if answer is None]
        if missing and self._link.is_trusted:
            await self._fetch(wanted, missing, answers, max_stale_ms)
        counts = self._counts[namespace.name]
        fitting = _fitting(answers)
        for answer in fitting:
            counts.count(answer)
        if namespace.sliding:
            await self.slide(namespace, wanted, fitting)
        return fitting

    def at_hand(self, namespace: Namespace, key: str, max_stale_ms: int) -> Found | None:
        """Answer one key from L1 at once, if that is all there is to do: what most calls come to."""
        if namespace.sliding:
            return None
        (answer,) = self._look(namespace, (Key(namespace.name, key),), self._clock.now_ms(), max_stale_ms)
        if answer is not None:
            self._counts[namespace.name].count(answer)
        return answer

    async def stored(self, namespace: Namespace, key: str) -> Entry | None:
        """Look one entry up in L2 alone, whatever L1 has; it is not counted."""
        if not self._link.is_trusted:
            return None
        (entry,) = await self._read([Key(namespace.name, key)])
        return entry

    async def set(self, namespace: Namespace, items: Sequence[Item]) -> int:
        """Write entries under one version, which is returned."""
        now_ms = self._clock.now_ms()
        return await self._set(namespace, [draft_of(namespace, item, now_ms) for item in items])

    async def set_one(self, namespace: Namespace, item: Item) -> Filled:
        """Write one entry."""
        draft = draft_of(namespace, item, self._clock.now_ms())
        version = await self._set(namespace, (draft,))
        return Filled(version, stored=True, fresh_for_ms=draft.fresh_until_ms - draft.created_ms)

    async def _set(self, namespace: Namespace, drafts: Sequence[Draft]) -> int:
        began = self.began()
        stamp = await self._stored(lambda store, known: store.write(namespace.name, drafts, known))
        if stamp is None:
            stamp, began = self._owed(namespace.name), Began(began.changes, self._link.session)
        self._counts[namespace.name].sets += len(drafts)
        self.took(namespace.name, drafts, stamp, began)
        return stamp.version

    def began(self) -> Began:
        """Tell where this replica stands, before it asks the store for something."""
        return Began(self._recent.count, self._link.session)

    def took(self, namespace: str, drafts: Sequence[Draft], stamp: Stamp, began: Began) -> bool:
        """Take in what this replica wrote, and tell whether all of it is alive as far as is known here."""
        if stamp.incarnation != self._link.incarnation:
            self.doubt(stamp.incarnation)
            return False
        now_ms = self._clock.now_ms()
        all_alive = True
        for draft in drafts:
            key, entry = Key(namespace, draft.key), draft.entry(*stamp)
            alive = self._judged(key, entry, began.changes)
            if began.session == self._link.session and alive is not None:
                self.memory.put(key, alive, now_ms)
            all_alive = all_alive and alive is not None
            self._outdate(key, stamp.version)
        self._watchers.tell(Change(namespace, Scope.KEYS, tuple(draft.key for draft in drafts)), stamp)
        return all_alive

    def held(self, namespace: Namespace, key: Key) -> Entry | None:
        """Look one entry up in L1, where it may answer: alive, fresh or not. It is not counted."""
        now_ms = self._clock.now_ms()
        if not (self._link.hears_all or namespace.answers_alone(self._link.unheard_ms(self._clock.monotonic_s()))):
            return None
        entry = self.memory.get(key, now_ms)
        if entry is not None and (fate := self._marks.fate(key, entry)) is not _ALIVE:
            return self._suffer(key, entry, fate)
        return entry

    async def examine(self, key: Key) -> Seen:
        """Look at what L2 has under a key, dead or alive, and keep it if it is alive."""
        began = self.began()
        if self._store is None or not self._link.is_trusted:
            return _NOTHING
        try:
            (raw,) = await self._store.read([key])
        except StoreDown as down:
            self._link.lose(str(down))
            return _NOTHING
        entry = None if raw is None else decode(raw)
        if raw is None or entry is None or began.session != self._link.session:
            return _NOTHING
        alive = self._take(key, raw, began.changes)
        return Seen(entry.version if entry.incarnation == self._link.incarnation else 0, alive)

    def kills(self, key: Key, version: int, tags: tuple[str, ...] = ()) -> bool:
        """Tell whether an entry of a version would be dead or stale at once, by the marks."""
        return self._marks.fate(key, Entry(self._link.incarnation, version, 0, 0, 0, tags, b"")) is not _ALIVE

    async def invalidate(self, change: Change) -> None:
        """Forget what a change covers, everywhere."""
        stamp = await self._stored(lambda store, known: store.forget(change, known))
        self._counts[change.namespace].invalidations += 1
        self.apply(change, stamp or self._owed(change.namespace))

    async def flush(self) -> None:
        """Forget everything, everywhere."""
        if self._store is not None and self._link.is_up:
            try:
                stamp = await self._store.renew(self._link.known)
            except StoreDown as down:
                self._link.lose(str(down))
            else:
                self.doubt(stamp.incarnation)
                await self._link.settle()
                return
        for name in (*NAMESPACES, CANARY.name):
            self._link.owe(name)
        self.memory.clear()
        self.loads.restart()
        self._watchers.gap()

    def apply(self, change: Change, stamp: Stamp) -> None:
        """Take in a change, this replica's own or one that it heard of; again and again does no harm."""
        self._link.learn(stamp.version)
        if stamp.incarnation != self._link.incarnation:
            self.doubt(stamp.incarnation)
            return
        if change.mode is Mode.RELEASE:
            for name in change.names:
                self.loads.stir(Key(change.namespace, name))
            return
        if change.scope is Scope.KEYS:
            for name in change.names:
                self._outdate(Key(change.namespace, name), stamp.version, change.mode)
        else:
            self._marks.put(change, stamp.version)
            self.loads.stir_namespace(change.namespace)
        self._watchers.tell(change, stamp)

    def begin(self, state: State) -> None:
        """Begin a session in which nothing has been missed: L1 forgets everything, the marks are the store's.

        Marks of the same incarnation stay: what was heard of while the state was on its way is not in it.
        """
        self.memory.clear()
        if state.incarnation != self._link.incarnation:
            self._marks.clear()
        self._link.begin(state.incarnation, state.version)
        self.loads.restart()
        for change, version in state.marks:
            self._marks.put(change, version)
        self._watchers.gap()

    def _look(self, namespace: Namespace, wanted: Sequence[Key], now_ms: int, max_stale_ms: int) -> list[Found | None]:
        """Answer from L1, where it may answer, what it has and the caller may have."""
        if not (self._link.hears_all or namespace.answers_alone(self._link.unheard_ms(self._clock.monotonic_s()))):
            return [None] * len(wanted)
        answers: list[Found | None] = []
        for key in wanted:
            entry = self.memory.get(key, now_ms)
            if entry is not None and (fate := self._marks.fate(key, entry)) is not _ALIVE:
                entry = self._suffer(key, entry, fate)
            allowed = entry is not None and entry.is_allowed(now_ms, max_stale_ms)
            answers.append(found(entry, _L1, now_ms) if entry is not None and allowed else None)
        return answers

    async def slide(self, namespace: Namespace, wanted: Sequence[Key], answers: Sequence[Found]) -> None:
        """Let what was read live on, here and in L2."""
        now_ms = self._clock.now_ms()
        hits = (key for key, answer in zip(wanted, answers, strict=True) if answer.tier)
        lengthened = [(key, entry) for key in hits if (entry := self.memory.slide(key, namespace.ttl_ms, now_ms))]
        if lengthened and self._store is not None and self._link.is_trusted:
            try:
                await self._store.slide(lengthened, namespace.ttl_ms)
            except StoreDown as down:
                self._link.lose(str(down))

    async def _fetch(
        self, wanted: Sequence[Key], missing: Sequence[int], answers: list[Found | None], max_stale_ms: int
    ) -> None:
        """Answer from L2 what L1 did not, in parts, until there is no room in the answer for more."""
        room = ANSWER_VALUE_BYTES_MAX - sum(len(answer.value) for answer in answers if answer is not None)
        for start in range(0, len(missing), READ_KEYS_MAX):
            part = missing[start : start + READ_KEYS_MAX]
            if not self._link.is_trusted:
                return
            if room < 0:
                for n in part:
                    answers[n] = OMITTED
                continue
            entries = await self._read([wanted[n] for n in part])
            now_ms = self._clock.now_ms()
            for n, entry in zip(part, entries, strict=True):
                if entry is not None and entry.is_allowed(now_ms, max_stale_ms):
                    answers[n] = found(entry, Tier.L2, now_ms)
                    room -= len(entry.value)
                else:
                    self._counts[wanted[n].namespace].misses_l2 += 1

    async def _read(self, wanted: Sequence[Key]) -> Sequence[Entry | None]:
        """Read from the store what is alive; a store that fails has nothing."""
        assert self._store is not None, "only a store is up"
        count, session = self._recent.count, self._link.session
        try:
            stored = await self._store.read(wanted)
        except StoreDown as down:
            self._link.lose(str(down))
            return [None] * len(wanted)
        if session != self._link.session:
            return [None] * len(wanted)
        return [None if raw is None else self._take(key, raw, count) for key, raw in zip(wanted, stored, strict=True)]

    def _take(self, key: Key, raw: bytes, count: int) -> Entry | None:
        """Judge what a read brought, and keep it if it is alive. `count` is that of the keys when the read began."""
        entry = decode(raw)
        if entry is None:
            return None
        if entry.incarnation != self._link.incarnation:
            self.doubt(entry.incarnation)
            return None
        self._link.learn(entry.version)
        alive = self._judged(key, entry, count)
        if alive is not None:
            self.memory.put(key, alive, self._clock.now_ms())
        return alive

    def _outdate(self, key: Key, version: int, mode: Mode = Mode.DELETE) -> None:
        """Forget, or make stale, what is older than this version of a key, also where it is only just being read."""
        self._recent.put(key, mode, version)
        self.loads.void(key)
        if mode is Mode.EXPIRE:
            self.memory.expire_older(key, version)
        else:
            self.memory.drop_older(key, version)

    def _judged(self, key: Key, entry: Entry, count: int) -> Entry | None:
        """Tell what is left of what was read or written after what was heard of since its call began, at `count`."""
        fates = (self._marks.fate(key, entry), self._recent.fate(key, entry, count))
        if Fate.DEAD in fates:
            return None
        return entry.expired() if Fate.EXPIRED in fates else entry

    def _suffer(self, key: Key, entry: Entry, fate: Fate) -> Entry | None:
        """Let an entry of L1 have its fate, and tell what is left of it."""
        if fate is Fate.DEAD:
            self.memory.drop(key)
            return None
        self.memory.expire_older(key, entry.version + 1)
        return entry.expired()

    async def _stored(self, write: Callable[[EntryStore, int], Awaitable[Stamp]]) -> Stamp | None:
        """Write to the store; None where it did not answer, or is not to be asked."""
        if self._store is None or not self._link.is_up:
            return None
        try:
            stamp = await write(self._store, self._link.known)
        except StoreDown as down:
            self._link.lose(str(down))
            return None
        self._link.learn(stamp.version)
        return stamp

    def _owed(self, namespace: str) -> Stamp:
        """Note that a write did not reach the store, and stamp it here."""
        self._link.owe(namespace)
        return self._link.own_stamp()

    def doubt(self, incarnation: int) -> None:
        """Something is of another incarnation: of one that is gone, or of a later one, which ends the session."""
        if incarnation > self._link.incarnation:
            self.memory.clear()
            self._link.doubt()


def draft_of(namespace: Namespace, item: Item, now_ms: int) -> Draft:
    """Make the entry that an item becomes in its namespace."""
    if item.absent:
        until_ms = now_ms + namespace.absent_ms(item.ttl_ms)
        return Draft(item.key, b"", item.tags, now_ms, until_ms, until_ms, True, item.load_ms)
    fresh_until_ms = now_ms + namespace.fresh_ms(item.ttl_ms, random())  # noqa: S311 - only spreads ends over time
    stale_until_ms = fresh_until_ms + namespace.stale_ms
    return Draft(
        key=item.key,
        value=item.value,
        tags=item.tags,
        created_ms=now_ms,
        fresh_until_ms=fresh_until_ms,
        stale_until_ms=stale_until_ms,
        load_ms=item.load_ms,
        pack_from_bytes=namespace.compress_from_bytes,
        slides=namespace.sliding and not item.ttl_ms,
    )


def _fitting(answers: Sequence[Found | None]) -> Sequence[Found]:
    """Leave out of an answer what it has no room for; what is still unanswered is a miss."""
    room = ANSWER_VALUE_BYTES_MAX
    fitting: list[Found] = []
    for answer in answers:
        if answer is None:
            fitting.append(MISSED)
            continue
        room -= len(answer.value)
        fitting.append(answer if room >= 0 else OMITTED)
    return fitting
