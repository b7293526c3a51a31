"""What persist needs from outside: a store that commits, and a cache that may be gone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from services.chassis.freshness import Freshness
from services.persist.domain.account import Account, AccountKind
from services.persist.domain.decision import Facts, Judged
from services.persist.domain.pricing import Price
from services.persist.domain.race_result import RaceResult
from services.persist.domain.round import Round, RoundPlan, Totals, Winner
from services.persist.domain.seed_chain import ChainPlan, SeedChain
from services.persist.domain.shelf import Shelf
from services.persist.domain.statement import Place, StatementLine
from services.persist.domain.suspension import Part
from services.persist.domain.ticket import Order, Ticket
from services.persist.domain.ticket_proof import TicketProof
from services.persist.domain.track import RaceCard, Track, TrackChange, TrackState
from services.persist.domain.trial_balance import TrialBalance

T = TypeVar("T")


class BatchLost(Exception):
    """A batch ended before COMMIT was sent: nothing of it is durable.

    `retry` says that trying again at once makes sense: another writer took one of its ids, or the connection was old.
    """

    def __init__(self, cause: str, *, retry: bool) -> None:
        super().__init__(cause)
        self.retry = retry


class BatchUnknown(Exception):
    """A batch ended while its COMMIT was under way: it is durable or it is not."""


class Batch(Protocol):
    """One transaction of the writer: the gate has been passed and is held until the end."""

    async def read(self, orders: Sequence[Order]) -> Facts:
        """Lock the accounts that pay, then read the round, the keys that exist and the accounts."""

    async def write(self, facts: Facts, judged: Judged) -> Totals:
        """Write keys, tickets and money; the totals of the round with them."""

    async def commit(self) -> None:
        """Make it durable. Raises BatchUnknown when it cannot tell whether it is."""


class BatchStore(Protocol):
    """Where a lane's batches go: one connection, one transaction at a time.

    `begin`, `Batch.read` and `Batch.write` raise BatchLost, after which the batch is over and the store ready for the
    next one. Whatever else they raise is a defect of ours, which may sit in a single order; `abandon` clears it away.
    """

    async def begin(self, round_id: int) -> Batch:
        """Begin a transaction and pass the round's gate, which waits for a lock in progress."""

    async def abandon(self) -> None:
        """End whatever is under way, without asking the server; never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[T]):
    """A mutating call that is carried out once.

    Its answer is stored with its effect in one transaction, and a repeat with the same `content_hash` gets the very
    bytes again. A refused call stores nothing, since nothing happened. `render` makes the answer's bytes.
    """

    request_id: str
    method: str
    content_hash: bytes
    render: Callable[[T], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a race starts with.

    A drawn result comes with its seed, and with the beacon's signature where there is one; an entered one with the
    `actor` who saw the race, and why it was entered. `from_now` moves the times of a race that starts late.
    """

    result: RaceResult
    server_seed: bytes = b""
    beacon_signature: bytes = b""
    actor: str = ""
    reason: str = ""
    from_now: bool = False


class Rounds(Protocol):
    """Rounds and their transitions. `epoch` None is an operator's, who needs no lease."""

    async def open(self, operation: Operation[Round], plan: RoundPlan, epoch: int) -> bytes:
        """Open the track's next round."""

    async def lock(self, operation: Operation[Round], round_id: int, epoch: int) -> bytes:
        """Close betting."""

    async def start(self, operation: Operation[Round], round_id: int, epoch: int | None, start: Start) -> bytes:
        """Store the result."""

    async def finish(self, operation: Operation[Round], round_id: int, epoch: int) -> bytes:
        """End the race."""

    async def settle(self, operation: Operation[Round], round_id: int, epoch: int, winners: Sequence[Winner]) -> bytes:
        """Decide that every winning line is paid."""

    async def void(
        self, operation: Operation[Round], round_id: int, epoch: int | None, reason: str, actor: str
    ) -> bytes:
        """Decide that every stake goes back."""

    async def correct(
        self,
        operation: Operation[Round],
        round_id: int,
        result: RaceResult,
        winners: Sequence[Winner],
        reason: str,
        actor: str,
    ) -> bytes:
        """Decide that a settled round ended otherwise."""

    async def set_prices(
        self, operation: Operation[Round], round_id: int, prices: Sequence[Price], reason: str, actor: str
    ) -> bytes:
        """Move prices of an open round. What was judged by the prices before is not accepted any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """How far the latest decision on a round is posted."""

    round: Round
    chunks_posted: int
    chunks: int


class Posting(Protocol):
    """Moving the money of what was decided."""

    async def post(self, round_id: int) -> Posted:
        """Move what is left to move for about half a second; whoever calls again goes on there."""


class RoundReads(Protocol):
    """Reading rounds."""

    async def get(self, round_id: int) -> Round:
        """Read one round."""

    async def current(self, track: str) -> Round:
        """Read the round of a track that was opened last."""

    async def page(self, track: str, before_round_id: int | None, limit: int) -> Sequence[Round]:
        """Read rounds of a track, the newest first."""

    async def unsettled(self, track: str) -> Sequence[Round]:
        """Read the rounds of a track that have not ended, or whose money still moves, the oldest first."""

    async def transitions(self, track: str, after: int, limit: int) -> tuple[Sequence[bytes], int]:
        """Read the rendered rounds as they were right after each transition, and the number of the latest."""


class Tracks(Protocol):
    """Tracks and their cards."""

    async def create(self, operation: Operation[Track], track: Track) -> bytes:
        """Make a track."""

    async def get(self, track: str) -> Track:
        """Read one track."""

    async def page(self, after_track: str, limit: int) -> Sequence[Track]:
        """Read tracks by name."""

    async def put_cards(self, operation: Operation[tuple[int, int]], track: str, cards: Sequence[RaceCard]) -> bytes:
        """Add cards or replace those of the same name; the answer counts both."""

    async def set_state(
        self, operation: Operation[Track], track: str, state: TrackState, reason: str, actor: str
    ) -> bytes:
        """Pause, suspend or resume a track. After a suspension nothing in flight is accepted any more."""

    async def update(self, operation: Operation[Track], change: TrackChange, reason: str, actor: str) -> bytes:
        """Change settings of a track; they hold from its next round on."""

    async def set_selling(
        self, operation: Operation[Track], track: str, part: Part, sells: bool, reason: str, actor: str
    ) -> bytes:
        """Suspend a part of a track, or let it go on. After a suspension nothing in flight with it is accepted."""

    async def next_card(self, track: str) -> RaceCard:
        """Read the card that was run the longest time ago, or never."""


class SeedChains(Protocol):
    """Chains of seeds."""

    async def create(self, operation: Operation[SeedChain], plan: ChainPlan, epoch: int) -> bytes:
        """Publish the next chain of a track."""

    async def all(self, track: str) -> Sequence[SeedChain]:
        """Read the chains of a track, the newest first."""


class Ledger(Protocol):
    """Accounts."""

    async def create(
        self,
        operation: Operation[Account],
        kind: AccountKind,
        currency: str,
        display_name: str,
        floor_minor: int,
        actor: str,
    ) -> bytes:
        """Open an account whose id is the operation's."""

    async def credit(
        self, operation: Operation[Account], account_id: str, amount_minor: int, reason: str, actor: str
    ) -> bytes:
        """Move money from outside into an account."""

    async def pay_out(
        self, operation: Operation[Account], account_id: str, amount_minor: int, reason: str, actor: str
    ) -> bytes:
        """Move money from an account to outside."""

    async def adjust(
        self, operation: Operation[Account], account_id: str, amount_minor: int, reason: str, actor: str
    ) -> bytes:
        """Move money between an account and the house; below 0 the account gives it."""

    async def set_blocked(
        self, operation: Operation[Account], account_id: str, blocked: bool, reason: str, actor: str
    ) -> bytes:
        """Block an account or let it go on."""


class LedgerReads(Protocol):
    """Reading the books."""

    async def get(self, account_id: str) -> Account:
        """Read one account."""

    async def statement(self, account_id: str, place: Place | None, limit: int) -> Sequence[StatementLine]:
        """Read the movements of an account, the newest first, from `place` on."""

    async def trial_balance(self, round_id: int | None) -> TrialBalance:
        """Add up all accounts, or what the transfers of a round have changed."""


class TicketDesk(Protocol):
    """What is done to a ticket by hand."""

    async def cancel(
        self, operation: Operation[tuple[Ticket, Totals]], ticket_id: str, reason: str, actor: str
    ) -> bytes:
        """Take a ticket back before its round locks; the totals of the round are those right after."""

    async def pay(self, operation: Operation[tuple[Ticket, int]], ticket_id: str, account_id: str, actor: str) -> bytes:
        """Hand out at a till what a ticket can claim; the amount comes with the ticket."""


class Prizes(Protocol):
    """What tickets bought at tills can claim."""

    async def expire(self, claim_days: int) -> int:
        """Let go of some of what nobody has claimed for so many days; how many tickets, 0 when none is left."""


class Tickets(Protocol):
    """Reading tickets."""

    async def get(self, ticket_id: str) -> Ticket:
        """Read one ticket with its state now."""

    async def page(self, account_id: str, before_transfer_id: int, limit: int) -> Sequence[tuple[int, Ticket]]:
        """Read the tickets of an account, the newest first, each with the id of the transfer that paid its stake."""


class TicketProofs(Protocol):
    """Proving tickets."""

    async def prove(self, ticket_id: str) -> TicketProof:
        """Show the way from a ticket to its round's root; PROOF_NOT_READY before there is one."""


class Leases(Protocol):
    """Who leads a track."""

    async def acquire(self, track: str, holder: str, ttl_ms: int) -> int:
        """Take or renew; the epoch."""

    async def renew(self, holder: str, held: Mapping[str, int], ttl_ms: int) -> Sequence[str]:
        """Renew many, by track under their epochs; the tracks that the holder still had."""

    async def release(self, track: str, holder: str, epoch: int) -> None:
        """Give back."""


class Recalled(NamedTuple):
    """An answer that was kept, and where and for how long."""

    wire: bytes
    freshness: Freshness


class AnswerCache(Protocol):
    """Answers that are remembered outside of the database.

    It may forget anything at any time, or be gone. It then has nothing, within a short and bounded time, and never
    raises: no call may fail because of it.
    """

    async def recall(self, shelf: Shelf, key: str) -> Recalled | None:
        """Give an answer that was kept; None where there is none to be had now."""

    async def keep(self, shelf: Shelf, key: str, answer: bytes, load_ms: int) -> bool:
        """Keep an answer that took `load_ms` to read; False where it is certain that it is not kept."""

    async def drop(self, shelf: Shelf, key: str) -> None:
        """Forget one answer."""

    async def forget(self, shelf: Shelf) -> None:
        """Forget every answer of a shelf."""
