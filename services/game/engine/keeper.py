"""The keeper: moves the rounds of one track on, for as long as its game holds the track's lease.

    pick up ──▶ next transition of the current round is due ──▶ make it durable ──▶ tell the watchers ──┐
                    ▲                                                                                   │
                    └───────────────────────────────────────────────────────────────────────────────────┘
    open    ──▶ a track that is PAUSED or SUSPENDED, or has no card, ends its round and waits for that to change;
                one with times of its own waits for the next of them
    LOCKED  ──▶ a round whose result is entered waits for the operator who does it, for as long as that takes
    settle  ──▶ every FINISHED round, and any whose money is still to be moved, the oldest first, apart from the above:
                the next round never waits for money
    beacon  ──▶ a round that takes one in starts when it has spoken; one that stays silent for too long voids it

The keeper holds nothing that the store does not: what it does next is a function of the stored round and the time, so
a keeper that starts after an outage does what the outage table says by doing what it always does. Every write carries
the epoch of the lease; EPOCH_STALE ends the keeper at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from furlong.client.identity import CHANCE_BYTES, uuid7
from furlong.common.v1.error_pb2 import Reason
from opentelemetry.metrics import get_meter

from services.chassis import telemetry_names as shared_names
from services.chassis.chance import Chance
from services.chassis.clock import Clock
from services.chassis.refusal import Refusal
from services.chassis.waiting import until
from services.game.domain.beacon import randomness
from services.game.domain.card import RaceCard
from services.game.domain.chances import chances
from services.game.domain.draw import commitment, draw
from services.game.domain.markets import places_of
from services.game.domain.outage import pick_up
from services.game.domain.phase import Phase
from services.game.domain.prices import priced, too_strong
from services.game.domain.round import Round, StoredRound, Terms
from services.game.domain.timeline import next_due, next_round_opens_at_ms
from services.game.domain.timetable import next_off
from services.game.domain.track import Source, Track, TrackState
from services.game.domain.winners import winners
from services.game.engine.backoff import BACKOFF_MAX_MS, backoff_ms
from services.game.engine.beacons import Beacons
from services.game.engine.seeds import NextSeed, Seeds
from services.game.ports import BeaconSilent, RoundStore, SeedLost, SeedSeal
from services.game.telemetry_names import LOCK_LATENESS

RECOVERY_ACTOR: Final = "outage rule"
SEED_LOST_REASON: Final = "the sealed seed could not be opened, so there can be no fair result"
BEACON_SILENT_REASON: Final = "the beacon {beacon} did not give its round {beacon_round} in time"
BEACON_PAUSE_MS: Final = 250
"""How long to wait before a beacon is asked again that gave no answer."""
STANDSTILL_LOOK_MS: Final = 5_000
"""How often a track that may open no round looks whether it may by now, and one that awaits a result whether it is
there, should nobody say so."""
REFUSED_PAUSE_MS: Final = 500
"""How long to wait before a step is tried again that was refused although nothing has moved, unless somebody wakes."""
RUNNERS_AT_ONCE_MAX: Final = 16
"""The chances to place of more runners take so long that others have to have their turns: milliseconds."""

# The store answered: the call is over, asking again would not help.
_FINAL: Final = frozenset((Reason.EPOCH_STALE, Reason.ROUND_PHASE, Reason.CARD_MISSING, Reason.ROUND_UNKNOWN))

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)
_lock_lateness = LOCK_LATENESS.histogram(get_meter(__name__))


class Keeper:
    """Keeps one track under one epoch. `published` is told every round that has made a transition."""

    def __init__(
        self,
        *,
        track: str,
        epoch: int,
        store: RoundStore,
        seal: SeedSeal,
        seeds: Seeds,
        beacons: Beacons,
        clock: Clock,
        chance: Chance,
        published: Callable[[Round], None],
    ) -> None:
        self._track = track
        self._epoch = epoch
        self._store = store
        self._seal = seal
        self._seeds = seeds
        self._beacons = beacons
        self._clock = clock
        self._chance = chance
        self._published = published
        self._woken = asyncio.Event()
        self._unpaid = asyncio.Event()
        self._log = _log.bind(track=track, epoch=epoch)

    def wake(self) -> None:
        """Look at the store again: somebody changed the round or the track, decided on one, or imported cards."""
        self._woken.set()
        self._unpaid.set()

    async def run(self) -> None:
        """Keep the track until cancelled. Raises Refusal(EPOCH_STALE) when another holder leads it."""
        settling = asyncio.create_task(self._settle_for_ever(), name=f"settle {self._track}")
        moving = asyncio.create_task(self._move_for_ever(), name=f"move {self._track}")
        try:
            await asyncio.wait((settling, moving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            settling.cancel()
            moving.cancel()
            ends = await asyncio.gather(settling, moving, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _move_for_ever(self) -> None:
        current = await self._pick_up()
        while True:
            try:
                current = await self._next(current)
            except Refusal as refusal:
                if refusal.reason != Reason.ROUND_PHASE:
                    raise
                self._log.warning("round moved by another hand", message=refusal.message)
                before, current = current, await self._read()
                if _seq(current) == _seq(before):
                    # Not the round was moved but the track stopped, which may be read as RUNNING for some seconds more.
                    await until(self._clock, self._clock.now_ms() + REFUSED_PAUSE_MS, self._woken)

    async def _pick_up(self) -> StoredRound | None:
        current = await self._read()
        unsettled = await self._ask(lambda: self._store.unsettled_rounds(self._track))
        for stored in unsettled:
            round_ = stored.round
            plan = pick_up(round_.phase, round_.schedule, self._clock.now_ms(), round_.terms.source)
            self._log.info(
                "round picked up",
                round_id=stored.round.round_id,
                phase=stored.round.phase.name,
                overdue=[phase.name for phase in plan.overdue],
                settles=plan.settles,
                posting=stored.posting,
            )
        return current

    async def _read(self) -> StoredRound | None:
        """Read the current round; None before the first one."""
        try:
            stored = await self._ask(lambda: self._store.current_round(self._track))
        except Refusal as refusal:
            if refusal.reason != Reason.ROUND_UNKNOWN:
                raise
            return None
        self._published(stored.round)
        return stored

    async def _next(self, current: StoredRound | None) -> StoredRound | None:
        """Wait for what is due next and do it; or read the round again when woken before."""
        now_ms = self._clock.now_ms()
        if current is None:
            return await self._open()
        round_ = current.round
        if round_.awaits_result:
            await until(self._clock, now_ms + STANDSTILL_LOOK_MS, self._woken)
            return await self._read()
        opens_at_ms = next_round_opens_at_ms(round_.phase, round_.schedule, now_ms)
        due = next_due(round_.phase, round_.schedule)
        at_ms = due.at_ms if due is not None else opens_at_ms
        assert at_ms is not None, f"{round_.phase.name} has neither a transition nor an end"
        if not await until(self._clock, at_ms, self._woken):
            return await self._read()
        if due is None:
            return await self._open(current)
        if due.phase is Phase.RUNNING and round_.terms.beacon:
            return await self._start_by_beacon(current)
        return self._checked(current, await self._transition(current, due.phase))

    async def _transition(self, current: StoredRound, phase: Phase) -> StoredRound:
        match phase:
            case Phase.LOCKED:
                return await self._lock(current.round)
            case Phase.RUNNING:
                return await self._start(current)
            case Phase.FINISHED:
                stored = await self._finish(current.round.round_id)
                self._unpaid.set()
                return stored
            case _:
                raise AssertionError(f"time asks for no transition into {phase.name}")

    async def _lock(self, round_: Round) -> StoredRound:
        request_id = self._request_id()
        locked = await self._ask(
            lambda: self._store.lock_round(request_id=request_id, round_id=round_.round_id, epoch=self._epoch)
        )
        late_ms = max(self._clock.now_ms() - round_.schedule.locks_at_ms, 0)
        _lock_lateness.record(late_ms / 1_000, {shared_names.FURLONG_TRACK: self._track})
        return locked

    async def _start_by_beacon(self, current: StoredRound) -> StoredRound | None:
        """Start with what the beacon says. While it says nothing, wait a little, and void the round by the rule.

        The beacon is asked before the round is voided, however late it is: lateness of ours voids nothing.
        """
        round_ = current.round
        terms = round_.terms
        beacon = self._beacons.get(terms.beacon)
        now_ms = self._clock.now_ms()
        if beacon is not None and now_ms < (at_ms := beacon.chain.time_ms(terms.beacon_round)):
            return current if await until(self._clock, at_ms, self._woken) else await self._read()
        try:
            if beacon is None:
                raise BeaconSilent(f"this game knows no beacon {terms.beacon}")
            signature = await beacon.signature(terms.beacon_round)
        except BeaconSilent as silent:
            self._log.warning("beacon silent", round_id=round_.round_id, beacon=terms.beacon, problem=str(silent))
        else:
            return self._checked(current, await self._start(current, signature))
        if now_ms >= round_.schedule.starts_at_ms + terms.beacon_wait_ms:
            reason = BEACON_SILENT_REASON.format(beacon=terms.beacon, beacon_round=terms.beacon_round)
            return self._checked(current, await self._void(round_.round_id, reason))
        again_ms = self._clock.now_ms() + BEACON_PAUSE_MS
        return current if await until(self._clock, again_ms, self._woken) else await self._read()

    async def _start(self, current: StoredRound, signature: bytes = b"") -> StoredRound:
        """Draw, from what the lock has made durable and the beacon has said, and store the result."""
        round_ = current.round
        assert round_.phase is Phase.LOCKED, f"round {round_.round_id} is {round_.phase.name}: nothing is drawn yet"
        try:
            seed = self._seal.unseal(sealed_seed=current.sealed_seed, track=round_.track, commitment=round_.commitment)
        except SeedLost:
            self._log.exception("seed lost", round_id=round_.round_id)
            return await self._void(round_.round_id, SEED_LOST_REASON)
        result = draw(
            server_seed=seed,
            track=round_.track,
            round_id=round_.round_id,
            beacon=randomness(signature),
            tickets_root=round_.tickets_root,
            runners=round_.runners,
        )
        request_id = self._request_id()
        return await self._ask(
            lambda: self._store.start_race(
                request_id=request_id,
                round_id=round_.round_id,
                epoch=self._epoch,
                result=result,
                server_seed=seed,
                beacon_signature=signature,
                from_now=bool(signature),
            )
        )

    async def _void(self, round_id: int, reason: str) -> StoredRound:
        request_id = self._request_id()
        return await self._ask(
            lambda: self._store.void_round(
                request_id=request_id,
                round_id=round_id,
                epoch=self._epoch,
                reason=reason,
                actor=RECOVERY_ACTOR,
            )
        )

    async def _finish(self, round_id: int) -> StoredRound:
        request_id = self._request_id()
        return await self._ask(
            lambda: self._store.finish_round(request_id=request_id, round_id=round_id, epoch=self._epoch)
        )

    async def _open(self, before: StoredRound | None = None) -> StoredRound | None:
        """Open the next round; where the track may not yet, wait, or for a change, and give the round before back."""
        track = await self._ask(lambda: self._store.track(self._track))
        now_ms = self._clock.now_ms()
        off = next_off(track.program, track.timetable, now_ms)
        if off is not None and off.opens_at_ms > now_ms:
            await until(self._clock, min(off.opens_at_ms, now_ms + STANDSTILL_LOOK_MS), self._woken)
            return before
        may_open = track.state is TrackState.RUNNING and self._has_beacon(track)
        card = await self._card(track.return_bps) if may_open else None
        if card is None:
            await until(self._clock, self._clock.now_ms() + STANDSTILL_LOOK_MS, self._woken)
            return before
        stored = await self._open_on(track, card, 0 if off is None else off.locks_at_ms)
        self._published(stored.round)
        self._log.info("round opened", round_id=stored.round.round_id, race=card.name)
        return stored

    def _has_beacon(self, track: Track) -> bool:
        """Tell whether the track's beacon, if it wants one, is known here: without it no round could be drawn."""
        known = not track.program.beacon or track.program.beacon in self._beacons.by_name
        if not known:
            self._log.error("beacon unknown", beacon=track.program.beacon)
        return known

    async def _card(self, return_bps: int) -> RaceCard | None:
        """Read the card to run; None where there is none, or none that the track's return lets be priced by now."""
        try:
            card = await self._ask(lambda: self._store.next_card(self._track))
        except Refusal as refusal:
            if refusal.reason != Reason.CARD_MISSING:
                raise
            return None
        if strong := too_strong(card.runners, return_bps):
            self._log.warning("card cannot be priced", race=card.name, runners=strong, return_bps=return_bps)
            return None
        return card

    async def _open_on(self, track: Track, card: RaceCard, locks_at_ms: int) -> StoredRound:
        drawn = track.program.source is Source.DRAWN
        next_seed = await self._ask(self._next_seed) if drawn else self._seeds.of_no_chain()
        committed = commitment(next_seed.seed)
        sealed = self._seal.seal(seed=next_seed.seed, track=track.track, commitment=committed.hex())
        places = places_of(len(card.runners))
        place_return_bps = track.program.place_return_bps or track.return_bps
        await _work_out(card, places)
        offered = RaceCard(
            card_id=card.card_id,
            name=card.name,
            distance_m=card.distance_m,
            runners=priced(card.runners, track.return_bps, places, place_return_bps),
        )
        # A beacon's round is fixed by the time of the lock, so it is we who set that time.
        beacon = self._beacons.get(track.program.beacon) if drawn else None
        if beacon is not None and not locks_at_ms:
            locks_at_ms = self._clock.now_ms() + track.timetable.betting_window_ms
        request_id = self._request_id()
        return await self._ask(
            lambda: self._store.open_round(
                request_id=request_id,
                track=track,
                epoch=self._epoch,
                card=offered,
                commitment=committed,
                sealed_seed=sealed,
                terms=Terms(
                    source=track.program.source,
                    places=places,
                    place_return_bps=place_return_bps,
                    seed_anchor=next_seed.anchor,
                    seed_index=next_seed.index,
                    beacon=beacon.chain.name if beacon is not None else "",
                    beacon_round=beacon.chain.round_for(locks_at_ms) if beacon is not None else 0,
                    beacon_wait_ms=self._beacons.wait_ms if beacon is not None else 0,
                ),
                locks_at_ms=locks_at_ms,
                seed_chain_no=next_seed.chain_no,
            )
        )

    async def _next_seed(self) -> NextSeed:
        return await self._seeds.next_seed(self._track, self._epoch)

    def _checked(self, before: StoredRound, after: StoredRound) -> StoredRound:
        assert after.round.phase > before.round.phase, (
            f"round {after.round.round_id} went from {before.round.phase.name} to {after.round.phase.name}"
        )
        self._published(after.round)
        self._log.info("round moved on", round_id=after.round.round_id, phase=after.round.phase.name)
        return after

    async def _settle_for_ever(self) -> None:
        while True:
            unsettled = await self._ask(lambda: self._store.unsettled_rounds(self._track))
            unpaid = [stored for stored in unsettled if stored.posting or stored.round.phase is Phase.FINISHED]
            done = [await self._settled(stored) for stored in unpaid]
            if not unpaid:
                await self._unpaid.wait()
                self._unpaid.clear()
            elif not all(done):
                await until(self._clock, self._clock.now_ms() + BACKOFF_MAX_MS, self._unpaid)

    async def _settled(self, stored: StoredRound) -> bool:
        """Settle one round; False when it has to be tried again. One that fails does not hold up the others."""
        round_ = stored.round
        try:
            paid = await self._paid(stored)
        except Refusal as refusal:
            if refusal.reason == Reason.EPOCH_STALE:
                raise
            self._log.warning("round not settled", round_id=round_.round_id, refusal=str(refusal))
            return refusal.reason == Reason.ROUND_PHASE
        except Exception:
            self._log.exception("round not settled", round_id=round_.round_id)
            return False
        self._published(paid.round)
        self._log.info(
            "round settled", round_id=round_.round_id, phase=paid.round.phase.name, payout_minor=paid.round.payout_minor
        )
        return True

    async def _paid(self, stored: StoredRound) -> StoredRound:
        """Decide on a round that is not decided, and move its money to the end."""
        round_id = stored.round.round_id
        if not stored.posting:
            request_id, who_won = self._request_id(), winners(stored.round)
            stored = await self._store.settle_round(
                request_id=request_id, round_id=round_id, epoch=self._epoch, winners=who_won
            )
        while stored.posting:
            stored = await self._store.post_settlement(round_id)
        return stored

    async def _ask(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Ask the store until it answers; the lease ends the waiting. A repeated write has the same request id."""
        attempt = 0
        while True:
            try:
                return await call()
            except Refusal as refusal:
                if refusal.reason in _FINAL:
                    raise
                wait_ms = refusal.retry_in_ms or backoff_ms(attempt)
                self._log.warning("store refused", refusal=str(refusal), wait_ms=wait_ms)
            except Exception:
                wait_ms = BACKOFF_MAX_MS
                self._log.exception("store failed", wait_ms=wait_ms)
            attempt += 1
            await self._clock.sleep_until_ms(self._clock.now_ms() + min(wait_ms, BACKOFF_MAX_MS))

    def _request_id(self) -> str:
        return uuid7(self._clock.now_ms(), self._chance.bytes(CHANCE_BYTES))


async def _work_out(card: RaceCard, places: int) -> None:
    """Work the chances of a large field out in a thread: whoever prices or shows the round finds them remembered."""
    if places and len(card.runners) > RUNNERS_AT_ONCE_MAX:
        await asyncio.to_thread(chances, tuple(runner.weight for runner in card.runners), places)


def _seq(stored: StoredRound | None) -> int:
    return stored.round.transition_seq if stored is not None else 0
