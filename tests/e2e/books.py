"""The books as they lie in PostgreSQL, read straight from the tables, past every service.

The words of numbers are taken from the public contract, not from the services' own enums.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

import asyncpg
from furlong.common.v1.account_pb2 import Account
from furlong.common.v1.round_pb2 import Round
from furlong.common.v1.ticket_pb2 import Line

from tests.model.ledger import BookAccount, BookTransfer
from tests.model.settlement import BoughtLine, BoughtTicket

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
CONNECT_S = 10.0
STATEMENT_S = 20.0

MONEY_AND_TICKETS = f"""
SELECT (SELECT count(*) FROM tickets),
       (SELECT count(*) FROM lines),
       (SELECT coalesce(sum(stake_minor), 0) FROM tickets),
       (SELECT count(*) FROM request_keys WHERE verdict = 1),
       (SELECT count(*) FROM accounts WHERE kind IN ({Account.PLAYER:d}, {Account.CASHIER:d})),
       (SELECT coalesce(sum(balance_minor), 0) FROM accounts WHERE kind IN ({Account.PLAYER:d}, {Account.CASHIER:d})),
       (SELECT coalesce(sum(stake_minor), 0) FROM exposure)
"""
"""Everything that a ticket or a credit changes, in one row; refusals, rounds and leases leave it as it is."""

CARDS = "SELECT track, name, distance_m, runner_numbers, runner_names, runner_weights FROM cards ORDER BY card_id"

TICKETS = """
SELECT t.ticket_id, t.account_id, l.market, l.selection, l.stake_minor, l.price_hundredths
FROM tickets t LEFT JOIN lines l USING (round_id, ticket_id)
WHERE t.round_id = $1 ORDER BY t.ticket_id, l.line
"""

SOLD_SINCE = """
SELECT l.market, l.selection, t.terminal FROM tickets t JOIN lines l USING (round_id, ticket_id)
WHERE t.round_id = $1 AND t.placed_at >= $2
"""

BATCHES = "SELECT batch_id, ticket_id FROM tickets WHERE round_id = $1 ORDER BY batch_id, batch_place"

ACCOUNTS = "SELECT account_id, currency, balance_minor, floor_minor FROM accounts"

TRANSFERS = """
SELECT debit_account_id, credit_account_id, amount_minor, xmin::text::bigint AS transaction
FROM transfers ORDER BY transfer_id
"""


class Books:
    """A look into the database of one stack."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, database_url: str) -> "AsyncIterator[Books]":
        """The books at this address."""
        connection = await asyncpg.connect(database_url, timeout=CONNECT_S, command_timeout=STATEMENT_S)
        try:
            yield cls(connection)
        finally:
            await connection.close(timeout=CONNECT_S)

    async def money_and_tickets(self) -> Sequence[Any]:
        """A fingerprint of all that a ticket or a credit changes. Let rounds with tickets settle before."""
        row = await self._sql.fetchrow(MONEY_AND_TICKETS)
        assert row is not None
        return tuple(row)

    async def cards(self) -> Sequence[Any]:
        """All race cards."""
        return [tuple(row) for row in await self._sql.fetch(CARDS)]

    async def runners_of_cards(self, track: str) -> list[list[int]]:
        """The runners' numbers of each card of a track."""
        rows = await self._sql.fetch("SELECT runner_numbers FROM cards WHERE track = $1 ORDER BY card_id", track)
        return [list(row["runner_numbers"]) for row in rows]

    async def tickets(self, round_id: int) -> list[BoughtTicket]:
        """The stored tickets of a round."""
        owners: dict[str, str] = {}
        lines: dict[str, list[BoughtLine]] = {}
        for row in await self._sql.fetch(TICKETS, round_id):
            ticket_id = str(row["ticket_id"])
            owners[ticket_id] = str(row["account_id"])
            if row["market"] is not None:
                lines.setdefault(ticket_id, []).append(
                    BoughtLine(
                        market=Line.Market.Name(row["market"]),
                        runners=tuple(row["selection"]),
                        stake_minor=row["stake_minor"],
                        price_hundredths=row["price_hundredths"],
                    )
                )
        return [
            BoughtTicket(ticket_id=ticket_id, account_id=account_id, lines=tuple(lines.get(ticket_id, ())))
            for ticket_id, account_id in owners.items()
        ]

    async def batches(self, round_id: int) -> list[list[BoughtTicket]]:
        """The stored tickets of a round, as they were committed together."""
        by_id = {ticket.ticket_id: ticket for ticket in await self.tickets(round_id)}
        rows = await self._sql.fetch(BATCHES, round_id)
        return [[by_id[str(row["ticket_id"])] for row in batch] for _, batch in groupby(rows, itemgetter("batch_id"))]

    async def placed_after_the_lock(self, round_id: int) -> int:
        """How many tickets of a round bear a time at or after its lock."""
        found: int = await self._sql.fetchval(
            "SELECT count(*) FROM tickets JOIN rounds USING (round_id) WHERE round_id = $1 AND placed_at >= locks_at",
            round_id,
        )
        return found

    async def came_at(self, round_id: int, phase: "Round.Phase.ValueType") -> datetime:
        """When a round came into a phase, by the database's clock."""
        made_at: datetime = await self._sql.fetchval(
            "SELECT made_at FROM transitions WHERE round_id = $1 AND phase = $2", round_id, phase
        )
        return made_at

    async def sold_since(self, round_id: int, since: datetime) -> list[tuple[str, list[int], str]]:
        """The bets that a round has taken at or after a time: market, runners, and the terminal that sold each."""
        rows = await self._sql.fetch(SOLD_SINCE, round_id, since)
        return [(Line.Market.Name(row["market"]), list(row["selection"]), row["terminal"]) for row in rows]

    async def ledger(self) -> tuple[list[BookAccount], list[BookTransfer]]:
        """All accounts and all transfers, as of one moment."""
        async with self._sql.transaction(isolation="repeatable_read", readonly=True):
            accounts = await self._sql.fetch(ACCOUNTS)
            transfers = await self._sql.fetch(TRANSFERS)
        return (
            [
                BookAccount(
                    account_id=str(row["account_id"]),
                    currency=row["currency"],
                    balance_minor=row["balance_minor"],
                    floor_minor=row["floor_minor"],
                )
                for row in accounts
            ],
            [
                BookTransfer(
                    debit_account_id=str(row["debit_account_id"]),
                    credit_account_id=str(row["credit_account_id"]),
                    amount_minor=row["amount_minor"],
                    transaction=row["transaction"],
                )
                for row in transfers
            ],
        )

    async def settlements(self, round_id: int) -> int:
        """How often a round was settled."""
        found: int = await self._sql.fetchval("SELECT count(*) FROM settlements WHERE round_id = $1", round_id)
        return found

    async def transitions(self, track: str) -> list[tuple[int, int, "Round.Phase.ValueType"]]:
        """Each durable transition of a track: its number, the round, the phase that it came into."""
        rows = await self._sql.fetch(
            "SELECT transition_seq, round_id, phase FROM transitions WHERE track = $1 ORDER BY transition_seq", track
        )
        return [(row["transition_seq"], row["round_id"], row["phase"]) for row in rows]

    async def phases(self, track: str) -> dict[int, "Round.Phase.ValueType"]:
        """The phase of each round of a track."""
        rows = await self._sql.fetch("SELECT round_id, phase FROM rounds WHERE track = $1 ORDER BY round_id", track)
        return {row["round_id"]: row["phase"] for row in rows}
