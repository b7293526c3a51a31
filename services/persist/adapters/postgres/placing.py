"""A batch of tickets as one transaction: gate, read and lock, write, commit.

Locks are taken in one order everywhere, so that batches, settlements and credits cannot deadlock: the round's gate, the
paying accounts in ascending order, the keys in ascending order, the round's exposure, the system's accounts. The rows
that all batches of a round share come last and are held for the shortest time.

The round's gate is an advisory lock whose key is the round's id: batches share it, the lock takes it alone. It queues
fairly, which a row lock does not.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import asyncpg
import structlog

from services.persist.adapters.postgres.database import (
    CLIENT_MARGIN_S,
    DatabaseSettings,
    OwnConnection,
    server_settings,
    sql_span,
)
from services.persist.adapters.postgres.errors import Fault, fault_of
from services.persist.adapters.postgres.tickets import placed_tickets
from services.persist.domain.account import BETTORS, TransferKind
from services.persist.domain.decision import Facts, GateRound, Judged, KnownKey, Payer
from services.persist.domain.round import NOTHING_SOLD, Phase, Totals
from services.persist.domain.ticket import Order, Ticket
from services.persist.domain.tickets_root import leaf, root
from services.persist.domain.verdict import Verdict
from services.persist.ports import BatchLost, BatchUnknown

BEGIN_AND_GATE: Final = "BEGIN; SELECT pg_advisory_xact_lock_shared({round_id:d})"

LOCK_PAYERS: Final = """
SELECT account_id, currency, balance_minor, floor_minor, blocked
FROM accounts WHERE account_id = ANY($1::uuid[]) AND kind = ANY($2::smallint[])
ORDER BY account_id FOR UPDATE
"""
"""The system's own accounts pay for no tickets, and an order that names one must not lock it."""

READ_ROUND_AND_KEYS: Final = """
SELECT moment.now, moment.batch_id,
       r.track, r.phase, r.locks_at, r.currency, r.escrow_account_id,
       e.tickets, e.stake_minor, e.payout_minor_max,
       k.request_id, k.round_id AS key_round_id, k.content_hash, k.verdict, k.reason
FROM (SELECT clock_timestamp() AS now, nextval('batch_id') AS batch_id OFFSET 0) AS moment
LEFT JOIN rounds r ON r.round_id = $1
LEFT JOIN exposure e ON e.round_id = $1 AND e.market = 0
LEFT JOIN request_keys k ON k.request_id = ANY($2::uuid[])
"""
"""The clock and the state are read after the gate and the accounts were locked: a statement sees what was committed
before it began, so a key that another writer took under the same account's lock is seen here."""

WRITE_KEYS: Final = """
INSERT INTO request_keys (request_id, round_id, verdict, content_hash, reason, decided_at)
SELECT request_id, $1, verdict, content_hash, reason, $2
FROM unnest($3::uuid[], $4::smallint[], $5::bytea[], $6::text[]) AS k (request_id, verdict, content_hash, reason)
ON CONFLICT (request_id) DO NOTHING
"""

WRITE_TICKETS: Final = """
WITH ticket AS MATERIALIZED (
    SELECT * FROM unnest($5::uuid[], $6::uuid[], $7::bigint[]) WITH ORDINALITY
        AS t (ticket_id, account_id, stake_minor, place)
), as_tickets AS (
    INSERT INTO tickets (round_id, ticket_id, account_id, batch_id, batch_place, stake_minor, placed_at)
    SELECT $1, ticket_id, account_id, $3, place, stake_minor, $2 FROM ticket ORDER BY ticket_id
), as_transfers AS (
    INSERT INTO transfers (round_id, kind, reference, debit_account_id, credit_account_id, amount_minor, made_at)
    SELECT $1, $14, ticket_id, account_id, $4, stake_minor, $2 FROM ticket ORDER BY ticket_id
)
INSERT INTO lines (round_id, ticket_id, line, market, selection, stake_minor, price_hundredths)
SELECT $1, ticket_id, line, market, selection, stake_minor, price_hundredths
FROM unnest($8::uuid[], $9::smallint[], $10::smallint[], $11::bytea[], $12::bigint[], $13::integer[])
    AS l (ticket_id, line, market, selection, stake_minor, price_hundredths)
ORDER BY ticket_id, line
"""

WRITE_SUMS: Final = """
WITH as_batch AS (
    INSERT INTO batches (round_id, batch_id, tickets, sub_root) VALUES ($1, $2, $3, $4)
), as_balances AS (
    UPDATE accounts a SET balance_minor = a.balance_minor - p.stake_minor
    FROM unnest($7::uuid[], $8::bigint[]) AS p (account_id, stake_minor)
    WHERE a.account_id = p.account_id
), as_selections AS (
    INSERT INTO exposure AS e (round_id, market, selection, tickets, stake_minor, payout_minor_max)
    SELECT $1, market, selection, tickets, stake_minor, payout_minor_max
    FROM unnest($9::smallint[], $10::bytea[], $11::bigint[], $12::bigint[], $13::bigint[])
        AS s (market, selection, tickets, stake_minor, payout_minor_max)
    ORDER BY market, selection
    ON CONFLICT (round_id, market, selection) DO UPDATE SET
        tickets = e.tickets + excluded.tickets,
        stake_minor = e.stake_minor + excluded.stake_minor,
        payout_minor_max = e.payout_minor_max + excluded.payout_minor_max
), as_escrow AS (
    UPDATE accounts SET balance_minor = balance_minor + $5 WHERE account_id = $14
)
UPDATE exposure SET
    tickets = tickets + $3, stake_minor = stake_minor + $5, payout_minor_max = payout_minor_max + $6
WHERE round_id = $1 AND market = 0
RETURNING tickets, stake_minor, payout_minor_max
"""

Statements: TypeAlias = "Mapping[str, asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]]"
"""A connection's prepared statements, by their text."""

_PAYING_KINDS: Final = sorted(BETTORS)

_log = structlog.get_logger(__name__)


class LaneStore:
    """A lane's connection: opened when it is needed, thrown away when anything goes wrong with it."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._connection: OwnConnection | None = None
        self._statements: Statements = {}

    async def open(self) -> None:
        """Connect ahead of the first batch. Raises what asyncpg raises."""
        await self._connect()

    async def begin(self, round_id: int) -> "PostgresBatch":
        """Begin a transaction behind the round's gate."""
        fresh = self._connection is None or self._connection.is_closed()
        try:
            connection = await self._connect() if fresh else self._connection
            assert connection is not None
            batch = PostgresBatch(self, connection, self._statements, round_id)
            await batch.begin()
        except Exception as error:
            # An old connection may have died while nobody looked; a fresh one that fails means that the server is down.
            raise self.lost(error, retry=not fresh) from error
        return batch

    async def abandon(self) -> None:
        """Throw the connection away; the server rolls back what was under way."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def lost(self, error: Exception, *, retry: bool) -> Exception:
        """End a batch for an error that came before COMMIT: what the writer is told."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
        if isinstance(error, BatchLost):
            return error
        match fault_of(error):
            case Fault.DEFECT:
                return error
            case Fault.AGAIN:
                return BatchLost(repr(error), retry=True)
            case Fault.DOWN:
                return BatchLost(repr(error), retry=retry)

    async def close(self) -> None:
        """Close the connection in order, or by force where the server does not answer."""
        if self._connection is None or self._connection.is_closed():
            return
        try:
            await self._connection.close(timeout=self._settings.connection_timeout_ms / 1000)
        except (OSError, TimeoutError, asyncpg.InterfaceError) as error:  # asyncpg has cut the connection by now
            _log.warning("writer_connection_cut", cause=repr(error))

    async def _connect(self) -> OwnConnection:
        timeout_ms = self._settings.statement_timeout_ms
        connection: OwnConnection = await asyncpg.connect(
            self._settings.url,
            timeout=self._settings.connection_timeout_ms / 1000,
            command_timeout=timeout_ms / 1000 + CLIENT_MARGIN_S,
            server_settings={
                **server_settings("furlong-persist-writer", timeout_ms),
                "plan_cache_mode": "force_generic_plan",  # the plans never depend on the values: plan once
            },
        )
        try:
            self._statements = {
                statement: await connection.prepare(statement)
                for statement in (LOCK_PAYERS, READ_ROUND_AND_KEYS, WRITE_KEYS, WRITE_TICKETS, WRITE_SUMS)
            }
            # Preparing leaves the server inside a transaction of its own that holds locks on the statements' tables.
            await connection.execute("SELECT 1")
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection
        return connection


class PostgresBatch:
    """One transaction of a lane."""

    def __init__(
        self,
        store: LaneStore,
        connection: OwnConnection,
        statements: Statements,
        round_id: int,
    ) -> None:
        self._store = store
        self._connection = connection
        self._statements = statements
        self._round_id = round_id

    async def begin(self) -> None:
        """Begin and pass the gate, in one round trip."""
        with sql_span("gate"):
            await self._connection.execute(BEGIN_AND_GATE.format(round_id=self._round_id))

    async def read(self, orders: Sequence[Order]) -> Facts:
        """Lock the payers, then read."""
        try:
            return await self._read(orders)
        except Exception as error:
            raise self._store.lost(error, retry=False) from error

    async def write(self, facts: Facts, judged: Judged) -> Totals:
        """Write what was decided; BatchLost with `retry` where another writer took one of the ids meanwhile."""
        try:
            if judged.kept:
                await self._write_keys(facts, judged)
            if judged.accepted:
                await self._write_tickets(facts, judged.accepted)
                return await self._write_sums(facts, judged.accepted)
        except Exception as error:
            raise self._store.lost(error, retry=False) from error
        return facts.round.totals if facts.round else NOTHING_SOLD

    async def commit(self) -> None:
        """Commit. Whatever goes wrong here leaves the outcome open."""
        try:
            with sql_span("commit"):
                await self._connection.execute("COMMIT")
        except Exception as error:
            await self._store.abandon()
            raise BatchUnknown(repr(error)) from error

    async def _read(self, orders: Sequence[Order]) -> Facts:
        payer_ids = sorted({order.account_id for order in orders})
        request_ids = list({order.request_id for order in orders})
        with sql_span("lock_payers"):
            payers = await self._statements[LOCK_PAYERS].fetch(payer_ids, _PAYING_KINDS)
        with sql_span("read_round_and_keys"):
            rows = await self._statements[READ_ROUND_AND_KEYS].fetch(self._round_id, request_ids)
        first = rows[0]
        known = [row for row in rows if row["request_id"] is not None]
        return Facts(
            now=first["now"],
            batch_id=first["batch_id"],
            round=_gate_round(self._round_id, first) if first["phase"] is not None else None,
            keys=_known_keys(known, await self._tickets_of(known)) if known else {},
            payers={str(row["account_id"]): _payer(row) for row in payers},
        )

    async def _tickets_of(self, keys: Sequence[asyncpg.Record]) -> Mapping[str, Ticket]:
        accepted = [row for row in keys if row["verdict"] == Verdict.ACCEPTED]
        if not accepted:
            return {}
        with sql_span("placed_tickets"):
            return await placed_tickets(
                self._connection,
                [row["key_round_id"] for row in accepted],
                [row["request_id"] for row in accepted],
            )

    async def _write_keys(self, facts: Facts, judged: Judged) -> None:
        kept = sorted(judged.kept, key=lambda pair: pair[0].request_id)
        with sql_span("write_keys"):
            statement = self._statements[WRITE_KEYS]
            await statement.fetch(
                self._round_id,
                facts.now,
                [order.request_id for order, _ in kept],
                [decision.verdict for _, decision in kept],
                [order.content_hash for order, _ in kept],
                [decision.reason for _, decision in kept],
            )
        if statement.get_statusmsg() != f"INSERT 0 {len(kept)}":
            raise BatchLost("another writer answered one of the ids meanwhile", retry=True)

    async def _write_tickets(self, facts: Facts, accepted: Sequence[Order]) -> None:
        assert facts.round is not None
        lines = [(order.request_id, n, line) for order in accepted for n, line in enumerate(order.lines, 1)]
        with sql_span("write_tickets"):
            await self._statements[WRITE_TICKETS].fetch(
                self._round_id,
                facts.now,
                facts.batch_id,
                facts.round.escrow_account_id,
                [order.request_id for order in accepted],
                [order.account_id for order in accepted],
                [order.stake_minor for order in accepted],
                [ticket_id for ticket_id, _, _ in lines],
                [n for _, n, _ in lines],
                [line.market for _, _, line in lines],
                [line.selection for _, _, line in lines],
                [line.stake_minor for _, _, line in lines],
                [line.price_hundredths for _, _, line in lines],
                TransferKind.STAKE,
            )

    async def _write_sums(self, facts: Facts, accepted: Sequence[Order]) -> Totals:
        assert facts.round is not None
        stakes = _stakes_by_account(accepted)
        sold = _sold_by_selection(accepted)
        with sql_span("write_sums"):
            row = await self._statements[WRITE_SUMS].fetchrow(
                self._round_id,
                facts.batch_id,
                len(accepted),
                root([leaf(order, self._round_id) for order in accepted]),
                sum(stakes.values()),
                sum(payout_minor_max for _, _, payout_minor_max in sold.values()),
                list(stakes),
                list(stakes.values()),
                [market for market, _ in sold],
                [selection for _, selection in sold],
                [tickets for tickets, _, _ in sold.values()],
                [stake_minor for _, stake_minor, _ in sold.values()],
                [payout_minor_max for _, _, payout_minor_max in sold.values()],
                facts.round.escrow_account_id,
            )
        assert row is not None, "an open round has its totals"
        return _totals(row)


def _stakes_by_account(accepted: Sequence[Order]) -> dict[str, int]:
    stakes: dict[str, int] = {}
    for order in accepted:
        stakes[order.account_id] = stakes.get(order.account_id, 0) + order.stake_minor
    return stakes


def _sold_by_selection(accepted: Sequence[Order]) -> dict[tuple[int, bytes], tuple[int, int, int]]:
    """Per market and selection: lines, stakes and possible payout."""
    sold: dict[tuple[int, bytes], tuple[int, int, int]] = {}
    for order in accepted:
        for line in order.lines:
            key = (line.market, line.selection)
            lines, stake_minor, payout_minor_max = sold.get(key, (0, 0, 0))
            sold[key] = (lines + 1, stake_minor + line.stake_minor, payout_minor_max + line.payout_minor)
    return sold


def _gate_round(round_id: int, row: asyncpg.Record) -> GateRound:
    return GateRound(
        round_id=round_id,
        track=row["track"],
        phase=Phase(row["phase"]),
        locks_at=row["locks_at"],
        currency=row["currency"],
        escrow_account_id=row["escrow_account_id"],
        totals=_totals(row),
    )


def _totals(row: asyncpg.Record) -> Totals:
    return Totals(tickets=row["tickets"], stake_minor=row["stake_minor"], payout_minor_max=row["payout_minor_max"])


def _payer(row: asyncpg.Record) -> Payer:
    return Payer(
        currency=row["currency"],
        balance_minor=row["balance_minor"],
        floor_minor=row["floor_minor"],
        blocked=row["blocked"],
    )


def _known_keys(rows: Sequence[asyncpg.Record], tickets: Mapping[str, Ticket]) -> dict[str, KnownKey]:
    return {
        (request_id := str(row["request_id"])): KnownKey(
            content_hash=row["content_hash"],
            verdict=Verdict(row["verdict"]),
            reason=row["reason"],
            ticket=tickets.get(request_id),
        )
        for row in rows
    }
