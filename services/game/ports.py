"""What the game needs from outside, in its own words.

Accounts, tickets as they stand in the books and answers to orders are words of `furlong.common.v1` that the game passes
on unread; a
copy of them in the domain would have no rule to carry. Every method raises `Refusal` where the world says no:
DEPENDENCY_DOWN when nothing was done, OUTCOME_UNKNOWN when a write may have been.
"""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, NamedTuple, Protocol, TypeVar

from furlong.common.v1.account_pb2 import Account, Transfer, TrialBalance
from furlong.common.v1.ticket_pb2 import Ticket, TicketProof, TicketResult

from services.game.domain.beacon import BeaconChain
from services.game.domain.card import RaceCard
from services.game.domain.order import Judgement, Market, Order
from services.game.domain.race_result import RaceResult
from services.game.domain.round import Round, StoredRound, Terms, Totals
from services.game.domain.seed_chain import PublishedChain
from services.game.domain.track import Part, Track, TrackChange, TrackState
from services.game.domain.winners import Winner

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T_co]):
    """A page of a list; `next_page_token` is empty on the last one."""

    items: Sequence[T_co]
    next_page_token: str


class RoundOpening(Protocol):
    """Where a track's next round comes from."""

    async def track(self, track: str) -> Track:
        """Read a track; TRACK_NOT_FOUND where there is none."""

    async def next_card(self, track: str) -> RaceCard:
        """Read the card that was run the longest time ago; CARD_MISSING where the track has none."""

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
        """Open a round on a card with its prices.

        It locks at `locks_at_ms`, or is refused with ROUND_PHASE where that is less than a second away; with 0 the
        store counts its schedule from its own clock. It uses the seed `terms.seed_index` of the chain `seed_chain_no`
        up; ROUND_PHASE where that is not the next one. 0 is no chain.
        """

    async def seed_chains(self, track: str) -> Sequence[PublishedChain]:
        """Read the seed chains of a track, the newest first."""

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
        """Publish the next seed chain of a track; ROUND_PHASE where `chain_no` is not the next one."""


class RoundTransitions(Protocol):
    """How a round's transitions are made durable.

    EPOCH_STALE means that another holder leads the track, ROUND_PHASE that the round is elsewhere by now, TOO_EARLY
    that its time has not come on the store's clock.
    """

    async def lock_round(self, *, request_id: str, round_id: int, epoch: int) -> StoredRound:
        """Close betting; the answer has the root of the accepted tickets."""

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
        """Store the result that was drawn after the lock, with the beacon's signature where it took one in.

        With `from_now` the race starts now where the result came late, and what follows moves by as much.
        """

    async def finish_round(self, *, request_id: str, round_id: int, epoch: int) -> StoredRound:
        """End the race."""


class RoundDecisions(Protocol):
    """What is decided on a round's money, once, and how the money follows: as long as `posting` says so."""

    async def settle_round(
        self, *, request_id: str, round_id: int, epoch: int, winners: Sequence[Winner]
    ) -> StoredRound:
        """Decide that every winning line is paid; the round is SETTLED when its money has moved."""

    async def void_round(self, *, request_id: str, round_id: int, epoch: int, reason: str, actor: str) -> StoredRound:
        """Decide that every stake goes back; `epoch` is 0 where an operator asks, whom `actor` names."""

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
        """Decide that a SETTLED round whose money has moved ended otherwise."""

    async def post_settlement(self, round_id: int) -> StoredRound:
        """Move the money for about half a second. Anybody may ask; who asks again goes on where it stopped."""


class RoundsByHand(RoundDecisions, Protocol):
    """What operators do with rounds; `actor` names who asks."""

    async def round(self, round_id: int) -> StoredRound:
        """Read one round; ROUND_UNKNOWN where there is none."""

    async def enter_result(
        self, *, request_id: str, round_id: int, result: RaceResult, reason: str, actor: str
    ) -> StoredRound:
        """Store how the race of a LOCKED round ended and start it now; TOO_EARLY before `starts_at`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitions:
    """Rounds as they were right after each transition; `latest` is the track's last `transition_seq`, or 0."""

    items: Sequence[StoredRound]
    latest: int


class RoundHistory(Protocol):
    """What has happened on a track."""

    async def current_round(self, track: str) -> StoredRound:
        """Read the round opened last; ROUND_UNKNOWN before the first one, TRACK_NOT_FOUND without the track."""

    async def transitions(self, track: str, after: int, page_size: int) -> Transitions:
        """Read the transitions after one of them, in order, without gaps."""


class RoundReader(RoundHistory, Protocol):
    """Rounds as they are stored, with their secrets."""

    async def round(self, round_id: int) -> StoredRound:
        """Read one round; ROUND_UNKNOWN where there is none."""

    async def rounds(self, track: str, page_size: int, page_token: str) -> Page[StoredRound]:
        """Read the rounds of a track, the newest first."""

    async def unsettled_rounds(self, track: str) -> Sequence[StoredRound]:
        """Read the rounds that are neither SETTLED nor VOID, or still `posting`, the oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a runner is offered at in a market, in hundredths of decimal odds."""

    market: Market
    runner: int
    price_hundredths: int


class RoundPrices(Protocol):
    """Prices that move."""

    async def round(self, round_id: int) -> StoredRound:
        """Read one round; ROUND_UNKNOWN where there is none."""

    async def set_prices(
        self, *, request_id: str, round_id: int, prices: Sequence[Price], reason: str, actor: str
    ) -> StoredRound:
        """Move prices of a round that takes tickets; ROUND_PHASE of any other, MALFORMED for what it does not offer.

        When this has answered, no order is accepted that was judged by an earlier revision of the prices.
        """


class RoundStore(RoundOpening, RoundTransitions, RoundsByHand, RoundReader, Protocol):
    """All that the keeper of a track asks of the store."""


class Leases(Protocol):
    """Who leads a track."""

    async def acquire(self, *, request_id: str, track: str, holder: str, ttl_ms: int) -> int:
        """Take or renew the lease and give its epoch; LEASE_HELD where another holds it."""

    async def renew(self, *, request_id: str, holder: str, held: Mapping[str, int], ttl_ms: int) -> Collection[str]:
        """Renew leases, by track under their epochs, and give the tracks that the holder still had."""

    async def release(self, *, request_id: str, track: str, holder: str, epoch: int) -> None:
        """Give the lease back at once; what one does not hold is left alone."""


class Placing(NamedTuple):
    """An order on its way to the store, with what the rules of racing say to it."""

    order: Order
    judgement: Judgement
    content_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """The answers in the order of the placings, and the round's totals after them; None without such a round.

    `undecided` says that there are answers without a verdict: nothing was done for those placings, because they were
    judged by prices that have moved since.
    """

    answers: Sequence[TicketResult]
    totals: Totals | None
    undecided: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """A ticket that was taken back, and the totals of its round without it."""

    ticket: Ticket
    totals: Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """A ticket that was paid at a till, and how much, in minor units."""

    ticket: Ticket
    paid_minor: int


class TicketReader(Protocol):
    """Where tickets of an account are read."""

    async def tickets(self, account_id: str, page_size: int, page_token: str) -> Page[Ticket]:
        """Read the tickets of an account, the newest first."""


class TicketStore(TicketReader, Protocol):
    """Where tickets are decided on and kept. `actor` is the subject of the token that asked."""

    async def append(self, round_id: int, placings: Sequence[Placing]) -> Appended:
        """Decide on tickets of one round; what is answered is durable."""

    async def ticket(self, ticket_id: str) -> Ticket:
        """Read one ticket with its state; TICKET_UNKNOWN where there is none."""

    async def ticket_proof(self, ticket_id: str) -> TicketProof:
        """Read the way from a ticket to its round's root; PROOF_NOT_READY before the lock."""

    async def cancel(self, *, request_id: str, ticket_id: str, reason: str, actor: str) -> Cancelled:
        """Take a ticket back, once; TICKET_STATE or ROUND_PHASE where it is too late for that."""

    async def pay(self, *, request_id: str, ticket_id: str, account_id: str, actor: str) -> Paid:
        """Pay a ticket that a till sold at the till `account_id`, once; TICKET_STATE where there is nothing to pay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The totals of a round after tickets were placed."""

    track: str
    round_id: int
    totals: Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Repriced:
    """A round whose prices have moved, which is no transition of it."""

    round: Round


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacancy:
    """The game that led a track goes away and has given its lease back: whoever takes it now leads."""

    track: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Accounts whose tickets on a track have changed at `game`; with `any_account`, any may be meant."""

    track: str
    game: str
    account_ids: tuple[str, ...]
    any_account: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """A terminal that watches: since when, and with how many streams."""

    terminal: str
    since_ms: int
    streams: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendance:
    """Who watches a track at one game."""

    track: str
    game: str
    watchers: int
    terminals: tuple[Terminal, ...] = ()


News = Round | Repriced | Standing | Vacancy | Changed | Attendance
"""What the games tell each other."""


class Signal(Enum):
    """What can be heard of a topic beside its messages."""

    ALIVE = "nothing was said, and all could have been heard"
    MISSED = "something may have been said that was not heard"
    BROKEN = "the line broke, and is being opened again"


class Topics(Protocol):
    """How the games tell each other what happened on a track. A hint for speed: whatever is lost is in the store."""

    async def publish(self, track: str, news: News) -> None:
        """Tell every game, this one included, or nobody; never raises for that."""

    def follow(self, track: str) -> AsyncGenerator[News | Signal, None]:
        """Hear what the games tell, in order, from now on and through every break."""


class TrackStore(Protocol):
    """Where tracks and their cards are kept."""

    async def create_track(self, *, request_id: str, track: Track) -> Track:
        """Make a track; TRACK_EXISTS where the name is taken."""

    async def seed_chains(self, track: str) -> Sequence[PublishedChain]:
        """Read the seed chains of a track, the newest first; TRACK_NOT_FOUND where there is none."""

    async def track(self, track: str) -> Track:
        """Read a track; TRACK_NOT_FOUND where there is none."""

    async def tracks(self, page_size: int, page_token: str) -> Page[Track]:
        """Read all tracks by name."""

    async def put_cards(self, *, request_id: str, track: str, cards: Sequence[RaceCard]) -> tuple[int, int]:
        """Add cards or replace those of the same name, all or none; gives how many were added and replaced."""

    async def set_state(self, *, request_id: str, track: str, state: TrackState, reason: str, actor: str) -> Track:
        """Let a track run, or stop it. When a suspension has answered, no ticket of the track is accepted any more."""

    async def update_track(self, *, request_id: str, track: str, change: TrackChange, reason: str, actor: str) -> Track:
        """Change settings of a track, for the rounds that open from now on."""

    async def set_selling(
        self, *, request_id: str, track: str, part: Part, sells: bool, reason: str, actor: str
    ) -> Track:
        """Suspend a part of a track, or let it go on.

        When a suspension has answered, no ticket with the part is accepted any more. ROUND_PHASE where a runner is
        named and no round is open, MALFORMED where it does not run.
        """


class Accounts(Protocol):
    """Accounts and whether they may be used. `actor` is the subject of the token that asked."""

    async def create_account(
        self, *, request_id: str, kind: Account.Kind.ValueType, currency: str, display_name: str, floor_minor: int,
        actor: str,
    ) -> Account:  # fmt: skip
        """Open an account with balance 0."""

    async def account(self, account_id: str) -> Account:
        """Read an account; ACCOUNT_UNKNOWN where there is none."""

    async def set_account_blocked(
        self, *, request_id: str, account_id: str, blocked: bool, reason: str, actor: str
    ) -> Account:
        """Block an account, or let it go on."""


class Movements(Protocol):
    """Money that is moved by hand, once per request id; each gives the account right after it."""

    async def credit_account(
        self, *, request_id: str, account_id: str, amount_minor: int, reason: str, actor: str
    ) -> Account:
        """Move money from outside into an account."""

    async def pay_out_account(
        self, *, request_id: str, account_id: str, amount_minor: int, reason: str, actor: str
    ) -> Account:
        """Move money from an account to outside; FUNDS_MISSING below its floor, ACCOUNT_STOPPED where it is blocked."""

    async def adjust_account(
        self, *, request_id: str, account_id: str, amount_minor: int, reason: str, actor: str
    ) -> Account:
        """Move money between an account and the house; `amount_minor` below 0 takes it away."""


class Statements(Protocol):
    """The books, to be read."""

    async def transfers(self, account_id: str, page_size: int, page_token: str) -> Page[Transfer]:
        """Read the transfers of an account, the newest first; ACCOUNT_UNKNOWN where there is none."""

    async def trial_balance(self, round_id: int) -> TrialBalance:
        """Add up the transfers of a round, or all accounts where it is 0."""


class Ledger(Accounts, Movements, Statements, Protocol):
    """Where money is kept."""


class SeedSeal(Protocol):
    """Keeps seeds secret from the store. `track` and `commitment` are bound to what is sealed."""

    def seal(self, *, seed: bytes, track: str, commitment: str) -> bytes:
        """Close a seed."""

    def unseal(self, *, sealed_seed: bytes, track: str, commitment: str) -> bytes:
        """Open a seed; SeedLost where this key, track or commitment is not the one it was sealed with."""


class SeedLost(Exception):
    """A sealed seed cannot be opened: the round that it was made for can have no fair result."""


class Beacon(Protocol):
    """A public beacon of random numbers."""

    @property
    def chain(self) -> BeaconChain:
        """What everybody knows of it."""

    async def signature(self, beacon_round: int) -> bytes:
        """Ask for the signature of a round, which is checked; BeaconSilent where there is none to be had now."""


class BeaconSilent(Exception):
    """A beacon's round is not to be had, because its time has not come or nobody answers as he should."""
