"""What lies in the database, as of one moment, read past every service.

Numbers have the names of the public contract where it names them; the others are named here, as the tables store them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeAlias

import asyncpg
from furlong.common.v1.ticket_pb2 import Line
from furlong.persist.v1.round_store_service_pb2 import StoredRound

from tests.model.ledger import BookAccount, BookTransfer
from tests.model.settlement import BoughtLine, BoughtTicket

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

WON, VOIDED, CANCELLED, PAID, EXPIRED, REVERSED = range(1, 7)
"""Kinds of events."""
STAKE, PRIZE, REFUND = 1, 2, 3
"""Kinds of transfers that belong to one ticket each."""
SETTLED, VOID, CORRECTED = 1, 2, 3
"""Kinds of decisions."""
CASHIER: Final = 2
"""The kind of a till's account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A request id that was decided on."""

    verdict: int
    round_id: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTicket:
    """A ticket, where it stands in its batch, and when it was placed."""

    round_id: int
    bought: BoughtTicket
    batch_id: int
    placed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """What happened to a ticket after it was accepted."""

    round_id: int
    ticket_id: str
    kind: int
    settlement_no: int
    payout_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketTransfer:
    """Money that moved for one ticket."""

    round_id: int
    kind: int
    settlement_no: int
    ticket_id: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A durable transition of a track."""

    track: str
    transition_seq: int
    round_id: int
    phase: int
    epoch: int
    made_at: datetime
    tickets_root: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRow:
    """A round as it is now."""

    round_id: int
    track: str
    phase: int
    transition_seq: int
    result: Sequence[int]
    payout_minor: int
    posting: bool
    escrow_account_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A settlement, a void or a correction, and how much of it was posted."""

    round_id: int
    settlement_no: int
    kind: int
    chunks: int
    chunks_posted: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Everything that the checker looks at."""

    keys: Mapping[str, StoredKey] = field(default_factory=dict)
    tickets: Sequence[StoredTicket] = ()
    events: Sequence[StoredEvent] = ()
    ticket_transfers: Sequence[TicketTransfer] = ()
    rounds: Mapping[int, RoundRow] = field(default_factory=dict)
    transitions: Sequence[Transition] = ()
    track_seqs: Mapping[str, int] = field(default_factory=dict)
    decisions: Sequence[Decision] = ()
    exposure: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Tickets and stakes of each round, as they were counted when they were sold."""
    accounts: Sequence[BookAccount] = ()
    account_kinds: Mapping[str, int] = field(default_factory=dict)
    transfers: Sequence[BookTransfer] = ()

    def of_tracks(self, *tracks: str) -> "Stored":
        """What belongs to some tracks; accounts and transfers stay whole, because they only add up together."""
        rounds = {round_id: row for round_id, row in self.rounds.items() if row.track in tracks}
        return replace(
            self,
            rounds=rounds,
            tickets=[each for each in self.tickets if each.round_id in rounds],
            events=[each for each in self.events if each.round_id in rounds],
            ticket_transfers=[each for each in self.ticket_transfers if each.round_id in rounds],
            transitions=[each for each in self.transitions if each.track in tracks],
            decisions=[each for each in self.decisions if each.round_id in rounds],
            exposure={round_id: sums for round_id, sums in self.exposure.items() if round_id in rounds},
        )


async def read_at(database_url: str) -> Stored:
    """Read the database at an address. Raises what asyncpg raises."""
    connection = await asyncpg.connect(database_url)
    try:
        return await read(connection)
    finally:
        await connection.close()


async def read(connection: Connection) -> Stored:
    """Read it all in one snapshot. Raises what asyncpg raises."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        found = {name: await connection.fetch(statement) for name, statement in STATEMENTS.items()}
    lines: dict[tuple[int, str], list[BoughtLine]] = {}
    for row in found["lines"]:
        lines.setdefault((row["round_id"], str(row["ticket_id"])), []).append(_line(row))
    return Stored(
        keys={
            str(row["request_id"]): StoredKey(verdict=row["verdict"], round_id=row["round_id"], reason=row["reason"])
            for row in found["keys"]
        },
        tickets=[
            StoredTicket(
                round_id=row["round_id"],
                bought=BoughtTicket(
                    ticket_id=(ticket_id := str(row["ticket_id"])),
                    account_id=str(row["account_id"]),
                    lines=tuple(lines.get((row["round_id"], ticket_id), ())),
                ),
                batch_id=row["batch_id"],
                placed_at=row["placed_at"],
            )
            for row in found["tickets"]
        ],
        events=[StoredEvent(**_with_text(row, "ticket_id")) for row in found["events"]],
        ticket_transfers=[TicketTransfer(**_with_text(row, "ticket_id")) for row in found["ticket_transfers"]],
        rounds={
            row["round_id"]: RoundRow(**(_with_text(row, "escrow_account_id") | {"result": list(row["result"])}))
            for row in found["rounds"]
        },
        transitions=[_transition(row) for row in found["transitions"]],
        track_seqs={row["track"]: row["transition_seq"] for row in found["tracks"]},
        decisions=[Decision(**dict(row)) for row in found["decisions"]],
        exposure={row["round_id"]: (row["tickets"], row["stake_minor"]) for row in found["exposure"]},
        accounts=[BookAccount(**_with_text(row, "account_id")) for row in found["accounts"]],
        account_kinds={str(row["account_id"]): row["kind"] for row in found["account_kinds"]},
        transfers=[BookTransfer(**_with_text(row, "debit_account_id", "credit_account_id")) for row in found["books"]],
    )


STATEMENTS: Final[Mapping[str, str]] = {
    "keys": "SELECT request_id, verdict, round_id, reason FROM request_keys",
    "tickets": """SELECT round_id, ticket_id, account_id, batch_id, placed_at FROM tickets
        ORDER BY round_id, batch_id, batch_place""",
    "lines": """SELECT round_id, ticket_id, market, selection, stake_minor, price_hundredths FROM lines
        ORDER BY round_id, ticket_id, line""",
    "events": "SELECT round_id, ticket_id, kind, settlement_no, payout_minor FROM events",
    "ticket_transfers": f"""SELECT round_id, kind, settlement_no, reference AS ticket_id, amount_minor FROM transfers
        WHERE kind IN ({STAKE}, {PRIZE}, {REFUND})""",
    "rounds": """SELECT round_id, track, phase, transition_seq, result, payout_minor, posting, escrow_account_id
        FROM rounds""",
    "transitions": """SELECT track, transition_seq, round_id, phase, made_at, stored_round FROM transitions
        ORDER BY track, transition_seq""",
    "tracks": "SELECT track, transition_seq FROM tracks",
    "decisions": """SELECT round_id, settlement_no, kind, cardinality(chunk_ends) AS chunks,
        ARRAY(SELECT chunk FROM postings p WHERE p.round_id = s.round_id AND p.settlement_no = s.settlement_no
              ORDER BY chunk) AS chunks_posted
        FROM settlements s ORDER BY round_id, settlement_no""",
    "exposure": "SELECT round_id, tickets, stake_minor FROM exposure WHERE market = 0",
    "accounts": "SELECT account_id, currency, balance_minor, floor_minor FROM accounts",
    "account_kinds": "SELECT account_id, kind FROM accounts",
    "books": """SELECT debit_account_id, credit_account_id, amount_minor, xmin::text::bigint AS transaction
        FROM transfers ORDER BY transfer_id""",
}


def _line(row: asyncpg.Record) -> BoughtLine:
    return BoughtLine(
        market=Line.Market.Name(row["market"]),
        runners=tuple(row["selection"]),
        stake_minor=row["stake_minor"],
        price_hundredths=row["price_hundredths"],
    )


def _transition(row: asyncpg.Record) -> Transition:
    stored = StoredRound.FromString(row["stored_round"])
    return Transition(
        track=row["track"],
        transition_seq=row["transition_seq"],
        round_id=row["round_id"],
        phase=row["phase"],
        epoch=stored.epoch,
        made_at=row["made_at"],
        tickets_root=stored.round.tickets_root,
    )


def _with_text(row: asyncpg.Record, *uuids: str) -> dict[str, Any]:
    """A row whose UUIDs are text."""
    return dict(row) | {name: str(row[name]) for name in uuids}
