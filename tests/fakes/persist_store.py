"""A small persist in memory, for unit tests of the game that would otherwise wait for a database.

It keeps to what the contract suite `tests/contract/game/test_store_contract.py` asks of both it and the real persist;
there is no money in it, because the game knows of none. `fail` makes calls go wrong, `claims` are what tickets of
tills have won, as a test has it.
"""

import uuid
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.ticket_pb2 import Ticket, TicketProof, TicketResult

from services.chassis.clock import Clock
from services.chassis.refusal import Refusal
from services.game.adapters.persist.wire import verdict_to
from services.game.domain.card import RaceCard
from services.game.domain.draw import commitment as committed
from services.game.domain.order import NO_REVISION, Market, Verdict
from services.game.domain.phase import WAYS, WITH_RESULT, Phase
from services.game.domain.race import with_race
from services.game.domain.race_result import RaceResult, fault, normal
from services.game.domain.round import Round, StoredRound, Terms, Totals
from services.game.domain.seed_chain import PublishedChain
from services.game.domain.track import Part, Source, Suspension, Track, TrackChange, TrackState
from services.game.domain.winners import Winner
from services.game.ports import Appended, Cancelled, Page, Paid, Placing, Price, Transitions
from services.game.wire import line_to
from services.persist.domain.ticket import Line as StoredLine
from services.persist.domain.ticket import Order as StoredOrder
from services.persist.domain.tickets_root import leaf, path, root
from tests.rounds import schedule_from

OCCUPYING = (Phase.OPEN, Phase.LOCKED, Phase.RUNNING)


@dataclass(slots=True)
class Lease:
    holder: str
    epoch: int
    ends_at_ms: int


class FakePersist:
    """All of the game's store ports in one object. A decision on tickets is posted in `posting_turns` turns."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls: list[str] = []
        self.writes: list[tuple[str, str]] = []
        self._failures: dict[str, deque[tuple[Exception, bool]]] = {}
        self._tracks: dict[str, Track] = {}
        self._cards: dict[str, dict[str, RaceCard]] = {}
        self._runs: dict[int, int] = {}
        self._batches: dict[int, list[list[Ticket]]] = {}
        self._chains: dict[str, list[PublishedChain]] = {}
        self._rounds: dict[int, StoredRound] = {}
        self._history: dict[str, list[StoredRound]] = {}
        self._winners: dict[int, tuple[Winner, ...]] = {}
        self._turns: dict[int, int] = {}
        self.posting_turns = 1
        self._leases: dict[str, Lease] = {}
        self._answers: dict[str, tuple[bytes, TicketResult]] = {}
        self._cancelled: dict[str, str] = {}
        self._paid: dict[str, tuple[str, Paid]] = {}
        self.claims: dict[str, int] = {}
        self._priced: dict[str, StoredRound] = {}

    def fail(self, method: str, *errors: Exception, done: bool = False) -> None:
        """Make the next calls of a method end with these errors; with `done`, after they did their work."""
        self._failures.setdefault(method, deque()).extend((error, done) for error in errors)

    # Leases

    async def acquire(self, *, request_id: str, track: str, holder: str, ttl_ms: int) -> int:
        self._called("acquire", request_id)
        lease = self._leases.setdefault(track, Lease(holder="", epoch=0, ends_at_ms=0))
        now_ms = self.clock.now_ms()
        if lease.holder != holder:
            if lease.ends_at_ms > now_ms:
                raise Refusal(Reason.LEASE_HELD, "held", retry_in_ms=lease.ends_at_ms - now_ms)
            lease.holder, lease.epoch = holder, lease.epoch + 1
        lease.ends_at_ms = now_ms + ttl_ms
        return lease.epoch

    async def renew(self, *, request_id: str, holder: str, held: Mapping[str, int], ttl_ms: int) -> Collection[str]:
        self._called("renew", request_id)
        renewed = []
        for track, epoch in held.items():
            lease = self._leases.get(track)
            if lease is not None and (lease.holder, lease.epoch) == (holder, epoch):
                lease.ends_at_ms = self.clock.now_ms() + ttl_ms
                renewed.append(track)
        return renewed

    async def release(self, *, request_id: str, track: str, holder: str, epoch: int) -> None:
        self._called("release", request_id)
        lease = self._leases.get(track)
        if lease is not None and (lease.holder, lease.epoch) == (holder, epoch):
            lease.holder, lease.ends_at_ms = "", 0

    # Tracks

    async def create_track(self, *, request_id: str, track: Track) -> Track:
        self._called("create_track", request_id)
        known = self._tracks.get(track.track, track)
        if replace(known, state=track.state, suspended=()) != track:
            raise Refusal(Reason.TRACK_EXISTS, "exists")
        return self._tracks.setdefault(track.track, track)

    async def track(self, track: str) -> Track:
        self._called("track")
        if track not in self._tracks:
            raise Refusal(Reason.TRACK_NOT_FOUND, "no such track")
        return self._as_now(self._tracks[track])

    async def tracks(self, page_size: int, page_token: str) -> Page[Track]:
        self._called("tracks")
        names = [name for name in sorted(self._tracks) if name > page_token]
        token = names[page_size - 1] if len(names) > page_size else ""
        return Page(items=[self._tracks[name] for name in names[:page_size]], next_page_token=token)

    async def put_cards(self, *, request_id: str, track: str, cards: Sequence[RaceCard]) -> tuple[int, int]:
        self._called("put_cards", request_id)
        await self.track(track)
        known = self._cards.setdefault(track, {})
        added = [card for card in cards if card.name not in known]
        for card in cards:
            card_id = known[card.name].card_id if card.name in known else 1 + sum(map(len, self._cards.values()))
            known[card.name] = replace(card, card_id=card_id)
        return len(added), len(cards) - len(added)

    async def next_card(self, track: str) -> RaceCard:
        self._called("next_card")
        cards = self._cards.get(track)
        if not cards:
            raise Refusal(Reason.CARD_MISSING, "no card")
        return min(cards.values(), key=lambda card: (self._runs.get(card.card_id, 0), card.card_id))

    async def set_state(self, *, request_id: str, track: str, state: TrackState, reason: str, actor: str) -> Track:
        self._called("set_state", request_id)
        changed = self._tracks[track] = replace(await self.track(track), state=state)
        return changed

    async def update_track(self, *, request_id: str, track: str, change: TrackChange, reason: str, actor: str) -> Track:
        self._called("update_track", request_id)
        known = await self.track(track)
        settings = {field.name: getattr(change, field.name) for field in fields(change)}
        changed = self._tracks[track] = replace(
            known, **{name: value for name, value in settings.items() if value is not None}
        )
        return changed

    async def set_selling(
        self, *, request_id: str, track: str, part: Part, sells: bool, reason: str, actor: str
    ) -> Track:
        self._called("set_selling", request_id)
        known = await self.track(track)
        opened = next((stored.round for stored in self._of(track) if stored.round.phase is Phase.OPEN), None)
        if part.runner and opened is None:
            raise Refusal(Reason.ROUND_PHASE, "no round is open")
        if part.runner and opened is not None and all(runner.runner != part.runner for runner in opened.runners):
            raise Refusal(Reason.MALFORMED, "does not run")
        round_id = opened.round_id if part.runner and opened is not None else 0
        suspended = tuple(each for each in known.suspended if (each.part, each.round_id) != (part, round_id))
        if not sells:
            new = Suspension(part=part, round_id=round_id, reason=reason, since_ms=self.clock.now_ms())
            suspended = (*suspended, new)
        changed = self._tracks[track] = replace(known, suspended=suspended)
        return changed

    # Rounds

    async def open_round(
        self,
        *,
        request_id: str,
        track: Track,
        epoch: int,
        card: RaceCard,
        commitment: bytes,
        sealed_seed: bytes,
        terms: Terms,
        locks_at_ms: int,
        seed_chain_no: int = 0,
    ) -> StoredRound:
        self._called("open_round", request_id)
        self._check_epoch(track.track, epoch)
        for stored in self._rounds.values():
            if stored.round.commitment == commitment.hex():  # the same request again
                return stored
            if stored.round.track == track.track and stored.round.phase in OCCUPYING:
                raise Refusal(Reason.ROUND_PHASE, f"round {stored.round.round_id} is on the track")
        if self._tracks[track.track].state is not TrackState.RUNNING:
            raise Refusal(Reason.ROUND_PHASE, f"track {track.track} is stopped")
        if locks_at_ms and locks_at_ms < self.clock.now_ms() + 1_000:
            raise Refusal(Reason.ROUND_PHASE, "the off has been missed")
        if seed_chain_no:
            self._use_seed(track.track, seed_chain_no, terms.seed_index)
        round_id = len(self._rounds) + 1
        self._runs[card.card_id] = round_id
        round_ = Round(
            round_id=round_id,
            track=track.track,
            phase=Phase.OPEN,
            revision=0,
            transition_seq=0,
            schedule=schedule_from(self.clock.now_ms(), track.timetable, locks_at_ms),
            runners=card.runners,
            commitment=commitment.hex(),
            tickets_root="",
            result=(),
            totals=Totals(),
            currency=track.currency,
            race_name=card.name,
            distance_m=card.distance_m,
            limits=track.limits,
            return_bps=track.return_bps,
            void_reason="",
            correction_reason="",
            payout_minor=0,
            terms=terms,
        )
        opened = self._record(StoredRound(round=round_, sealed_seed=sealed_seed, server_seed=b""))
        self._fail_after("open_round")
        return opened

    async def seed_chains(self, track: str) -> Sequence[PublishedChain]:
        self._called("seed_chains")
        await self.track(track)
        return self._chains.get(track, [])[::-1]

    async def create_seed_chain(
        self,
        *,
        request_id: str,
        track: str,
        epoch: int,
        chain_no: int,
        anchor: bytes,
        length: int,
        sealed_checkpoints: bytes,
    ) -> PublishedChain:
        self._called("create_seed_chain", request_id)
        self._check_epoch(track, epoch)
        chains = self._chains.setdefault(track, [])
        if chain_no != len(chains) + 1:
            raise Refusal(Reason.ROUND_PHASE, f"chain {chain_no} is not the next one")
        chain = PublishedChain(
            track=track,
            chain_no=chain_no,
            anchor=anchor.hex(),
            length=length,
            used=0,
            published_at_ms=self.clock.now_ms(),
            sealed_checkpoints=sealed_checkpoints,
        )
        chains.append(chain)
        self._fail_after("create_seed_chain")
        return chain

    def _use_seed(self, track: str, chain_no: int, index: int) -> None:
        chain = self._chains[track][chain_no - 1]
        if index != chain.used + 1 or not chain.left:
            raise Refusal(Reason.ROUND_PHASE, f"seed {index} is not the next one")
        self._chains[track][chain_no - 1] = replace(chain, used=index)

    async def lock_round(self, *, request_id: str, round_id: int, epoch: int) -> StoredRound:
        return self._step("lock_round", request_id, round_id, epoch, Phase.LOCKED, tickets_root=self._root_of(round_id))

    async def start_race(
        self,
        *,
        request_id: str,
        round_id: int,
        epoch: int,
        result: Sequence[int],
        server_seed: bytes,
        beacon_signature: bytes = b"",
        from_now: bool = False,
    ) -> StoredRound:
        assert committed(server_seed).hex() == self._rounds[round_id].round.commitment, "another seed"
        before = self._rounds[round_id]
        schedule = before.round.schedule
        late_ms = self.clock.now_ms() - schedule.starts_at_ms if from_now else 0
        if late_ms > 0 and before.round.phase is Phase.LOCKED:
            moved = replace(
                schedule,
                starts_at_ms=schedule.starts_at_ms + late_ms,
                finishes_at_ms=schedule.finishes_at_ms + late_ms,
                ends_at_ms=schedule.ends_at_ms + late_ms,
            )
            before = self._rounds[round_id] = replace(before, round=replace(before.round, schedule=moved))
        if before.round.phase is Phase.LOCKED:
            self._rounds[round_id] = replace(before, beacon_signature=beacon_signature)
        return self._step(
            "start_race", request_id, round_id, epoch, Phase.RUNNING, server_seed=server_seed, result=tuple(result)
        )

    async def enter_result(
        self, *, request_id: str, round_id: int, result: RaceResult, reason: str, actor: str
    ) -> StoredRound:
        self._called("enter_result", request_id)
        stored = await self.round(round_id)
        round_, entered = stored.round, normal(result)
        if round_.phase in WITH_RESULT and _result_of(round_) == entered:
            return stored
        if round_.phase is not Phase.LOCKED:
            raise Refusal(Reason.ROUND_PHASE, f"round {round_id} is {round_.phase.name}")
        self._check_time(round_, Phase.RUNNING)
        _check_result(entered, round_)
        late_ms = self.clock.now_ms() - round_.schedule.starts_at_ms
        times = round_.schedule
        moved = replace(
            times,
            starts_at_ms=times.starts_at_ms + late_ms,
            finishes_at_ms=times.finishes_at_ms + late_ms,
            ends_at_ms=times.ends_at_ms + late_ms,
        )
        started = replace(_with_result(round_, entered, Phase.RUNNING), schedule=moved)
        return self._record(replace(stored, round=started))

    async def finish_round(self, *, request_id: str, round_id: int, epoch: int) -> StoredRound:
        return self._step("finish_round", request_id, round_id, epoch, Phase.FINISHED)

    async def settle_round(
        self, *, request_id: str, round_id: int, epoch: int, winners: Sequence[Winner]
    ) -> StoredRound:
        self._called("settle_round", request_id)
        stored = self._rounds[round_id]
        self._check_epoch(stored.round.track, epoch)
        decided = self._winners.get(round_id)
        if decided == tuple(winners):
            return stored
        if decided is not None or stored.round.phase is not Phase.FINISHED:
            raise Refusal(Reason.ROUND_PHASE, f"round {round_id} is {stored.round.phase.name}")
        self._winners[round_id] = tuple(winners)
        if stored.round.totals.tickets:
            settled = self._rounds[round_id] = replace(stored, posting=True)
        else:
            settled = self._record(replace(stored, round=replace(stored.round, phase=Phase.SETTLED)))
        self._fail_after("settle_round")
        return settled

    async def correct_result(
        self,
        *,
        request_id: str,
        round_id: int,
        result: RaceResult,
        winners: Sequence[Winner],
        reason: str,
        actor: str,
    ) -> StoredRound:
        self._called("correct_result", request_id)
        stored = await self.round(round_id)
        round_ = stored.round
        if round_.phase is Phase.SETTLED and _result_of(round_) == normal(result):
            return stored
        if round_.phase is not Phase.SETTLED or stored.posting:
            raise Refusal(Reason.ROUND_PHASE, f"round {round_id} is {round_.phase.name}")
        _check_result(normal(result), round_)
        corrected = replace(_with_result(round_, normal(result), Phase.SETTLED), correction_reason=reason)
        return self._record(replace(stored, round=corrected, posting=bool(round_.totals.tickets)))

    async def set_prices(
        self, *, request_id: str, round_id: int, prices: Sequence[Price], reason: str, actor: str
    ) -> StoredRound:
        self._called("set_prices", request_id)
        stored = await self.round(round_id)
        if request_id in self._priced:
            return self._priced[request_id]
        if not self._takes_tickets(stored.round):
            raise Refusal(Reason.ROUND_PHASE, "too late")
        new = {(price.market, price.runner): price.price_hundredths for price in prices}
        offered = {(Market.WIN, runner.runner) for runner in stored.round.runners}
        offered |= {(Market.PLACE, runner.runner) for runner in stored.round.runners if runner.place_price_hundredths}
        if not new.keys() <= offered:
            raise Refusal(Reason.MALFORMED, "not offered")
        runners = tuple(
            replace(
                runner,
                win_price_hundredths=new.get((Market.WIN, runner.runner), runner.win_price_hundredths),
                place_price_hundredths=new.get((Market.PLACE, runner.runner), runner.place_price_hundredths),
            )
            for runner in stored.round.runners
        )
        moved = replace(stored.round, runners=runners, price_revision=stored.round.price_revision + 1)
        self._rounds[round_id] = self._priced[request_id] = replace(stored, round=moved)
        self._fail_after("set_prices")
        return self._rounds[round_id]

    async def make_entered(self, round_id: int) -> None:
        """Have an open round be one whose result will be entered, before anybody has asked for it."""
        stored = self._rounds[round_id]
        terms = replace(stored.round.terms, source=Source.ENTERED)
        self._rounds[round_id] = replace(stored, round=replace(stored.round, terms=terms))

    async def post_settlement(self, round_id: int) -> StoredRound:
        self._called("post_settlement")
        stored = await self.round(round_id)
        if round_id not in self._winners and stored.round.phase is not Phase.VOID:
            raise Refusal(Reason.ROUND_PHASE, f"nothing was decided on round {round_id}")
        if not stored.posting:
            return stored
        self._turns[round_id] = self._turns.get(round_id, 0) + 1
        if self._turns[round_id] % self.posting_turns:
            return stored
        posted = self._rounds[round_id] = replace(stored, posting=False)
        if posted.round.phase is Phase.FINISHED:
            posted = self._record(replace(posted, round=replace(posted.round, phase=Phase.SETTLED)))
        self._fail_after("post_settlement")
        return posted

    async def void_round(self, *, request_id: str, round_id: int, epoch: int, reason: str, actor: str) -> StoredRound:
        return self._step("void_round", request_id, round_id, epoch, Phase.VOID, void_reason=reason)

    async def round(self, round_id: int) -> StoredRound:
        self._called("round")
        if round_id not in self._rounds:
            raise Refusal(Reason.ROUND_UNKNOWN, "no such round")
        return self._rounds[round_id]

    async def current_round(self, track: str) -> StoredRound:
        self._called("current_round")
        await self.track(track)
        rounds = self._of(track)
        if not rounds:
            raise Refusal(Reason.ROUND_UNKNOWN, "no round yet")
        return rounds[-1]

    async def rounds(self, track: str, page_size: int, page_token: str) -> Page[StoredRound]:
        self._called("rounds")
        below = int(page_token or 2**63)
        rounds = [stored for stored in reversed(self._of(track)) if stored.round.round_id < below]
        token = str(rounds[page_size - 1].round.round_id) if len(rounds) > page_size else ""
        return Page(items=rounds[:page_size], next_page_token=token)

    async def unsettled_rounds(self, track: str) -> Sequence[StoredRound]:
        self._called("unsettled_rounds")
        ended = (Phase.SETTLED, Phase.VOID)
        return [stored for stored in self._of(track) if stored.posting or stored.round.phase not in ended]

    async def transitions(self, track: str, after: int, page_size: int) -> Transitions:
        self._called("transitions")
        history = self._history.get(track, [])
        return Transitions(items=history[after : after + page_size], latest=len(history))

    # Tickets

    async def append(self, round_id: int, placings: Sequence[Placing]) -> Appended:
        self._called("append")
        before = set(self._answers)
        answers = [self._judge(round_id, placing) for placing in placings]
        accepted = [each.ticket for each in answers if each.request_id not in before and each.HasField("ticket")]
        if accepted:
            self._batches.setdefault(round_id, []).append(accepted)
        self._fail_after("append")
        stored = self._rounds.get(round_id)
        totals = stored.round.totals if stored is not None else None
        return Appended(answers=answers, totals=totals, undecided=not all(answer.verdict for answer in answers))

    async def ticket(self, ticket_id: str) -> Ticket:
        self._called("ticket")
        _, answer = self._answers.get(ticket_id, (b"", None))
        if answer is None or not answer.HasField("ticket"):
            raise Refusal(Reason.TICKET_UNKNOWN, "no such ticket")
        ticket = Ticket()
        ticket.CopyFrom(answer.ticket)
        if ticket_id in self._cancelled:
            ticket.state, ticket.payout_minor = Ticket.CANCELLED, ticket.stake_minor
        return ticket

    async def ticket_proof(self, ticket_id: str) -> TicketProof:
        self._called("ticket_proof")
        ticket = await self.ticket(ticket_id)
        tickets_root = self._rounds[ticket.round_id].round.tickets_root
        if not tickets_root:
            raise Refusal(Reason.PROOF_NOT_READY, "no root yet")
        batches = self._batches[ticket.round_id]
        sub_roots = [root([_leaf(each) for each in batch]) for batch in batches]
        ((number, place),) = [
            (number, place)
            for number, batch in enumerate(batches)
            for place, each in enumerate(batch)
            if each.ticket_id == ticket_id
        ]
        leaves = [_leaf(each) for each in batches[number]]
        return TicketProof(
            ticket_id=ticket_id,
            account_id=ticket.account_id,
            round_id=ticket.round_id,
            lines=ticket.lines,
            leaf=leaves[place].hex(),
            path=[
                TicketProof.Step(sibling=step.sibling.hex(), left=step.left)
                for step in [*path(leaves, place), *path(sub_roots, number)]
            ],
            tickets_root=tickets_root,
        )

    def _root_of(self, round_id: int) -> str:
        return root([root([_leaf(each) for each in batch]) for batch in self._batches.get(round_id, [])]).hex()

    async def tickets(self, account_id: str, page_size: int, page_token: str) -> Page[Ticket]:
        self._called("tickets")
        mine = [answer.ticket for _, answer in self._answers.values() if answer.HasField("ticket")]
        newest_first = [ticket.ticket_id for ticket in reversed(mine) if ticket.account_id == account_id]
        begin = int(page_token or 0)
        end = begin + page_size
        page = [await self.ticket(ticket_id) for ticket_id in newest_first[begin:end]]
        return Page(items=page, next_page_token=str(end) if len(newest_first) > end else "")

    async def cancel(self, *, request_id: str, ticket_id: str, reason: str, actor: str) -> Cancelled:
        self._called("cancel", request_id)
        ticket = await self.ticket(ticket_id)
        stored = self._rounds[ticket.round_id]
        totals = stored.round.totals
        if self._cancelled.get(ticket_id) == request_id:
            return Cancelled(ticket=ticket, totals=totals)
        if ticket_id in self._cancelled:
            raise Refusal(Reason.TICKET_STATE, "cancelled already")
        if not self._takes_tickets(stored.round):
            raise Refusal(Reason.ROUND_PHASE, "too late")
        self._cancelled[ticket_id] = request_id
        left = Totals(tickets=totals.tickets - 1, stake_minor=totals.stake_minor - ticket.stake_minor)
        self._rounds[stored.round.round_id] = replace(stored, round=replace(stored.round, totals=left))
        return Cancelled(ticket=await self.ticket(ticket_id), totals=left)

    async def pay(self, *, request_id: str, ticket_id: str, account_id: str, actor: str) -> Paid:
        self._called("pay", request_id)
        ticket = await self.ticket(ticket_id)
        if ticket_id in self.claims:
            ticket.state, ticket.payout_minor = Ticket.PAID, self.claims.pop(ticket_id)
            self._paid[ticket_id] = (request_id, Paid(ticket=ticket, paid_minor=ticket.payout_minor))
        payer, paid = self._paid.get(ticket_id, ("", None))
        if paid is None or payer != request_id:
            raise Refusal(Reason.TICKET_STATE, "nothing to pay")
        return paid

    # How it works

    def _called(self, method: str, request_id: str = "") -> None:
        self.calls.append(method)
        if request_id:
            self.writes.append((method, request_id))
        self._fail(method, done=False)

    def _fail_after(self, method: str) -> None:
        self._fail(method, done=True)

    def _fail(self, method: str, *, done: bool) -> None:
        failures = self._failures.get(method)
        if failures and failures[0][1] == done:
            raise failures.popleft()[0]

    def _check_epoch(self, track: str, epoch: int) -> None:
        if self._leases[track].epoch != epoch:
            raise Refusal(Reason.EPOCH_STALE, f"epoch {epoch} is over")

    def _of(self, track: str) -> list[StoredRound]:
        return [stored for stored in self._rounds.values() if stored.round.track == track]

    def _step(
        self,
        method: str,
        request_id: str,
        round_id: int,
        epoch: int,
        wanted: Phase,
        *,
        server_seed: bytes | None = None,
        result: tuple[int, ...] | None = None,
        tickets_root: str | None = None,
        void_reason: str = "",
    ) -> StoredRound:
        self._called(method, request_id)
        stored = self._rounds[round_id]
        round_ = stored.round
        if epoch or wanted is not Phase.VOID:
            self._check_epoch(round_.track, epoch)
        is_durable = round_.phase >= wanted and (round_.phase is wanted or Phase.VOID not in (round_.phase, wanted))
        if is_durable and (result is None or result == round_.result):
            return stored
        if wanted not in WAYS[round_.phase]:
            raise Refusal(Reason.ROUND_PHASE, f"round {round_id} is {round_.phase.name}")
        self._check_time(round_, wanted)
        changed = replace(
            round_,
            phase=wanted,
            result=result if result is not None else round_.result,
            tickets_root=tickets_root if tickets_root is not None else round_.tickets_root,
            void_reason=void_reason,
        )
        assert (wanted in WITH_RESULT) == bool(changed.result)
        posting = wanted is Phase.VOID and changed.totals.tickets > 0
        seed = server_seed or stored.server_seed
        taken = self._record(replace(stored, round=changed, server_seed=seed, posting=posting))
        self._fail_after(method)
        return taken

    def _is_suspended(self, round_: Round, placing: Placing) -> bool:
        track = self._as_now(self._tracks[round_.track])
        parts = [each.part for each in track.suspended]
        markets = {part.market for part in parts if part.market}
        runners = {part.runner for part in parts if part.runner}
        return (
            track.state is TrackState.SUSPENDED
            or placing.order.terminal in {part.terminal for part in parts if part.terminal}
            or any(line.market in markets or runners & set(line.runners) for line in placing.judgement.lines)
        )

    def _as_now(self, track: Track) -> Track:
        """A track without the suspended runners of rounds that have locked."""
        still = [each for each in track.suspended if not each.round_id or self._is_open(each.round_id)]
        return replace(track, suspended=tuple(still))

    def _is_open(self, round_id: int) -> bool:
        return self._rounds[round_id].round.phase is Phase.OPEN

    def _takes_tickets(self, round_: Round) -> bool:
        return round_.phase is Phase.OPEN and self.clock.now_ms() < round_.schedule.locks_at_ms

    def _check_time(self, round_: Round, wanted: Phase) -> None:
        at_ms = {
            Phase.LOCKED: round_.schedule.locks_at_ms,
            Phase.RUNNING: round_.schedule.starts_at_ms,
            Phase.FINISHED: round_.schedule.finishes_at_ms,
        }.get(wanted, 0)
        early_ms = at_ms - self.clock.now_ms()
        if early_ms > 0:
            raise Refusal(Reason.TOO_EARLY, f"{early_ms} ms too early", retry_in_ms=early_ms)

    def _record(self, stored: StoredRound) -> StoredRound:
        round_ = stored.round
        history = self._history.setdefault(round_.track, [])
        numbered = replace(round_, revision=round_.revision + 1, transition_seq=len(history) + 1)
        recorded = with_race(replace(stored, round=numbered))
        history.append(recorded)
        self._rounds[round_.round_id] = recorded
        return recorded

    def _judge(self, round_id: int, placing: Placing) -> TicketResult:
        request_id = placing.order.request_id
        known_hash, known = self._answers.get(request_id, (b"", None))
        if known is not None:
            if known_hash != placing.content_hash:
                return TicketResult(request_id=request_id, verdict=TicketResult.REQUEST_ID_REUSED, reason="reused")
            again = TicketResult(replayed=True)
            again.MergeFrom(known)
            return again
        answer = self._decide(round_id, placing)
        if not answer.verdict:
            return answer
        self._answers[request_id] = (placing.content_hash, answer)
        return answer

    def _decide(self, round_id: int, placing: Placing) -> TicketResult:
        stored = self._rounds.get(round_id)
        refusals = [placing.judgement.verdict] if placing.judgement.verdict else []
        if stored is None:
            refusals.append(Verdict.ROUND_NOT_FOUND)
        elif not self._takes_tickets(stored.round):
            refusals.append(Verdict.BETTING_CLOSED)
        elif self._is_suspended(stored.round, placing):
            refusals.append(Verdict.SUSPENDED)
        elif placing.judgement.price_revision not in (NO_REVISION, stored.round.price_revision):
            return TicketResult(request_id=placing.order.request_id)
        elif 0 < placing.judgement.held_until_ms <= self.clock.now_ms():
            refusals.append(Verdict.PRICE_CHANGED)
        if stored is None or refusals:
            return TicketResult(
                request_id=placing.order.request_id, verdict=verdict_to(min(refusals)), reason="refused"
            )
        stake_minor = sum(line.stake_minor for line in placing.judgement.lines)
        totals = stored.round.totals
        grown = Totals(tickets=totals.tickets + 1, stake_minor=totals.stake_minor + stake_minor)
        self._rounds[round_id] = replace(stored, round=replace(stored.round, totals=grown))
        ticket = Ticket(
            ticket_id=placing.order.request_id,
            round_id=round_id,
            account_id=placing.order.account_id,
            state=Ticket.ACCEPTED,
            stake_minor=stake_minor,
            lines=[line_to(line) for line in placing.judgement.lines],
            currency=stored.round.currency,
            terminal=placing.order.terminal,
        )
        return TicketResult(request_id=placing.order.request_id, verdict=TicketResult.ACCEPTED, ticket=ticket)


def _result_of(round_: Round) -> RaceResult:
    return normal(RaceResult(order=round_.result, positions=round_.positions, withdrawn=round_.withdrawn))


def _with_result(round_: Round, result: RaceResult, phase: Phase) -> Round:
    return replace(round_, phase=phase, result=result.order, positions=result.positions, withdrawn=result.withdrawn)


def _check_result(result: RaceResult, round_: Round) -> None:
    wrong = fault(result, round_)
    if wrong is not None:
        raise Refusal(Reason.MALFORMED, f"{wrong.field} {wrong.description}")


def _leaf(ticket: Ticket) -> bytes:
    lines = [
        StoredLine(each.market, bytes(each.runners), each.stake_minor, each.price_hundredths) for each in ticket.lines
    ]
    order = StoredOrder(_uuid(ticket.ticket_id), _uuid(ticket.account_id), lines, ticket.stake_minor, b"", None, "")
    return leaf(order, ticket.round_id)


def _uuid(text: str) -> str:
    """What a test calls somebody, as an id."""
    return text if len(text) == 36 else str(uuid.uuid5(uuid.NAMESPACE_URL, text))
