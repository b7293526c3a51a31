"""A batch of tickets as one transaction: gate, read and lock, write, commit.

Locks are taken in one order everywhere, so that batches, settlements and credits cannot deadlock: the round's gate,
its totals where it has limits on its risk, the paying accounts in ascending order, the keys in ascending order, the
round's exposure, the system's accounts. The rows that all batches of a round share come last and are held for the
shortest time.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import asyncpg
import structlog

from services.persist.adapters.postgres import gate
from services.persist.adapters.postgres.database import (
    DatabaseSettings,
    OwnConnection,
    connect_lane,
    sql_span,
)
from services.persist.adapters.postgres.errors import Fault, fault_of
from services.persist.adapters.postgres.tickets import placed_tickets
from services.persist.adapters.postgres.tracks import limits_of
from services.persist.domain.account import BETTORS, TransferKind
from services.persist.domain.decision import Facts, GateRound, Judged, KnownKey, Payer
from services.persist.domain.risk import Selection, Sold
from services.persist.domain.round import NOTHING_SOLD, Phase, Totals
from services.persist.domain.suspension import NOTHING_SUSPENDED, Part, Suspended
from services.persist.domain.ticket import Order, Ticket
from services.persist.domain.tickets_root import leaf, root
from services.persist.domain.track import TrackState
from services.persist.domain.verdict import Verdict
from services.persist.ports import BatchLost, BatchUnknown

LOCK_PAYERS: Final = """
WITH queue AS MATERIALIZED (
    SELECT e.round_id FROM exposure e JOIN rounds r ON r.round_id = e.round_id
    WHERE e.round_id = $1 AND e.market = 0 AND (r.selection_payout_max_minor > 0 OR r.round_loss_max_minor > 0)
    FOR UPDATE OF e
)
SELECT a.account_id::text, a.currency, a.balance_minor, a.floor_minor, a.blocked
FROM accounts a
WHERE a.account_id = ANY($2::text::uuid[]) AND a.kind = ANY($3::smallint[]) AND (SELECT count(*) FROM queue) < 2
ORDER BY a.account_id FOR UPDATE OF a
"""
"""The batches of a round with limits on its risk queue at its totals, before they lock anything else: what one of them
accepts is what the next may still take. The condition on the queue is always true and has it read first.

The system's own accounts pay for no tickets, and an order that names one must not lock it."""

READ_ROUND_AND_KEYS: Final = """
SELECT moment.now, moment.batch_id,
       r.track, r.phase, t.state, r.locks_at, r.currency, r.escrow_account_id,
       r.stake_min_minor, r.stake_max_minor, r.selection_payout_max_minor, r.round_loss_max_minor, r.payout_max_minor,
       r.price_revision,
       e.tickets, e.stake_minor, e.payout_minor_max,
       (SELECT array_agg(ROW (s.market, s.runner, s.terminal)) FROM suspensions s
        WHERE s.track = r.track AND s.round_id IN (0, r.round_id)) AS suspended,
       k.request_id::text, k.round_id AS key_round_id, k.content_hash, k.verdict, k.reason
FROM (SELECT clock_timestamp() AS now, nextval('batch_id') AS batch_id OFFSET 0) AS moment
LEFT JOIN rounds r ON r.round_id = $1
LEFT JOIN tracks t ON t.track = r.track
LEFT JOIN exposure e ON e.round_id = $1 AND e.market = 0
LEFT JOIN request_keys k ON k.request_id = ANY($2::text::uuid[]) AND k.request_id BETWEEN $3::uuid AND $4::uuid
"""
"""The clock and the state are read after the gate and the accounts were locked: a statement sees what was committed
before it began, so a key that another writer took under the same account's lock is seen here.

The least and the greatest id leave the days out that none of the ids is of: partitions are pruned by a range, not by a
list that comes with the call."""

READ_SOLD: Final = """
SELECT market, selection, tickets, stake_minor, payout_minor_max FROM exposure WHERE round_id = $1 AND market > 0
"""

_ASKED: Final = """
asked AS MATERIALIZED (
    SELECT place, request_id, account_id, stake_minor,
           coalesce(($7::smallint[])[place - $6], 1) AS verdict, coalesce(($8::text[])[place - $6], '') AS reason
    FROM unnest($3::text::uuid[], $4::text::uuid[], $5::text::bigint[]) WITH ORDINALITY
        AS a (request_id, account_id, stake_minor, place)
    ORDER BY request_id
), as_keys AS (
    INSERT INTO request_keys (request_id, round_id, verdict, content_hash, reason, decided_at)
    SELECT request_id, $1, verdict, substring($9::bytea FROM (place::integer - 1) * 32 + 1 FOR 32), reason, $2
    FROM asked
    ON CONFLICT (request_id) DO NOTHING
    RETURNING true
), kept AS MATERIALIZED (
    SELECT count(*) AS keys FROM as_keys
)
"""
"""The orders of a batch whose answer is kept, $6 accepted ones first, and their keys. Account and stake are null, and
verdict and reason are given, where an order was refused."""

WRITE_REFUSED: Final = f"WITH {_ASKED} SELECT keys FROM kept"  # noqa: S608 - made of constants

WRITE: Final = f"""
WITH {_ASKED}, as_tickets AS (
    INSERT INTO tickets (round_id, ticket_id, account_id, batch_id, batch_place, stake_minor, placed_at, terminal)
    SELECT $1, request_id, account_id, $10, place, stake_minor, $2,
        coalesce(($29::text[])[($30::smallint[])[place]], '')
    FROM asked
    WHERE place <= $6 AND (SELECT keys FROM kept) = $26
), as_transfers AS (
    INSERT INTO transfers (round_id, kind, reference, debit_account_id, credit_account_id, amount_minor, made_at)
    SELECT $1, {TransferKind.STAKE:d}, request_id, account_id, $11, stake_minor, $2 FROM asked
    WHERE place <= $6 AND (SELECT keys FROM kept) = $26
), as_lines AS (
    INSERT INTO lines (round_id, ticket_id, line, market, selection, stake_minor, price_hundredths)
    SELECT $1, ticket_id, line, market, selection, stake_minor, price_hundredths
    FROM unnest($12::text::uuid[], $13::text::smallint[], $14::text::smallint[], $15::text::bytea[],
                $16::text::bigint[], $17::text::integer[])
        AS l (ticket_id, line, market, selection, stake_minor, price_hundredths)
    WHERE (SELECT keys FROM kept) = $26
), as_batch AS (
    INSERT INTO batches (round_id, batch_id, tickets, sub_root) SELECT $1, $10, $6, $18
    WHERE (SELECT keys FROM kept) = $26
), as_balances AS (
    UPDATE accounts a SET balance_minor = a.balance_minor - p.stake_minor
    FROM unnest($19::text::uuid[], $20::text::bigint[]) AS p (account_id, stake_minor)
    WHERE a.account_id = p.account_id AND (SELECT keys FROM kept) = $26
), as_selections AS (
    INSERT INTO exposure AS e (round_id, market, selection, tickets, stake_minor, payout_minor_max)
    SELECT $1, market, selection, tickets, stake_minor, payout_minor_max
    FROM unnest($21::smallint[], $22::bytea[], $23::bigint[], $24::bigint[], $25::bigint[])
        AS s (market, selection, tickets, stake_minor, payout_minor_max)
    WHERE (SELECT keys FROM kept) = $26
    ORDER BY market, selection
    ON CONFLICT (round_id, market, selection) DO UPDATE SET
        tickets = e.tickets + excluded.tickets,
        stake_minor = e.stake_minor + excluded.stake_minor,
        payout_minor_max = e.payout_minor_max + excluded.payout_minor_max
), as_escrow AS (
    UPDATE accounts SET balance_minor = balance_minor + $27 WHERE account_id = $11 AND (SELECT keys FROM kept) = $26
)
UPDATE exposure SET tickets = tickets + $6, stake_minor = stake_minor + $27, payout_minor_max = payout_minor_max + $28
WHERE round_id = $1 AND market = 0 AND (SELECT keys FROM kept) = $26
RETURNING tickets, stake_minor, payout_minor_max
"""  # noqa: S608 - made of constants
"""All of a batch in one statement, since each round trip makes the batch, and a lock that waits for it, longer. All
that comes after the keys depends on their number: where another writer was faster with one of them, nothing more is
written, nothing comes back, and the batch is rolled back. It also keeps the order of the locks."""

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
        connection = await connect_lane(self._settings)
        try:
            self._statements = {
                statement: await connection.prepare(statement)
                for statement in (LOCK_PAYERS, READ_ROUND_AND_KEYS, READ_SOLD, WRITE_REFUSED, WRITE)
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
            await self._connection.execute(gate.begin_sharing(self._round_id))

    async def read(self, orders: Sequence[Order]) -> Facts:
        """Lock the payers, then read."""
        try:
            return await self._read(orders)
        except Exception as error:
            raise self._store.lost(error, retry=False) from error

    async def write(self, facts: Facts, judged: Judged) -> Totals:
        """Write what was decided; BatchLost with `retry` where another writer took one of the ids meanwhile."""
        try:
            if judged.accepted:
                return await self._write(facts, judged)
            if judged.refused:
                await self._write_refused(facts, judged)
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
        request_ids = {order.request_id for order in orders}
        payer_ids = {order.account_id for order in orders}
        with sql_span("lock_payers"):
            payers = await self._statements[LOCK_PAYERS].fetch(self._round_id, _array(payer_ids), _PAYING_KINDS)
        with sql_span("read_round_and_keys"):
            rows = await self._statements[READ_ROUND_AND_KEYS].fetch(
                self._round_id, _array(request_ids), min(request_ids), max(request_ids)
            )
        first = rows[0]
        known = [row for row in rows if row["request_id"] is not None]
        return Facts(
            now=first["now"],
            batch_id=first["batch_id"],
            round=await self._gate_round(first) if first["phase"] is not None else None,
            keys=_known_keys(known, await self._tickets_of(known)) if known else {},
            payers={account_id: Payer(*of_account) for account_id, *of_account in payers},
        )

    async def _gate_round(self, row: asyncpg.Record) -> GateRound:
        limits = limits_of(row)
        is_limited = limits.selection_payout_max_minor or limits.round_loss_max_minor
        return GateRound(
            round_id=self._round_id,
            track=row["track"],
            phase=Phase(row["phase"]),
            suspended=row["state"] == TrackState.SUSPENDED,
            locks_at=row["locks_at"],
            currency=row["currency"],
            escrow_account_id=row["escrow_account_id"],
            totals=_totals(row),
            limits=limits,
            sold=await self._sold() if is_limited else {},
            parts_suspended=_suspended(row["suspended"]) if row["suspended"] else NOTHING_SUSPENDED,
            price_revision=row["price_revision"],
        )

    async def _sold(self) -> dict[Selection, Sold]:
        with sql_span("read_sold"):
            rows = await self._statements[READ_SOLD].fetch(self._round_id)
        return {(market, selection): Sold(*sums) for market, selection, *sums in rows}

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

    async def _write_refused(self, facts: Facts, judged: Judged) -> None:
        with sql_span("write_refused"):
            keys = await self._statements[WRITE_REFUSED].fetchval(*self._asked(facts, judged))
        if keys != len(judged.refused):
            raise _id_taken()

    async def _write(self, facts: Facts, judged: Judged) -> Totals:
        assert facts.round is not None, "nothing is accepted without a round"
        with sql_span("write"):
            row = await self._statements[WRITE].fetchrow(
                *self._asked(facts, judged),
                facts.batch_id,
                facts.round.escrow_account_id,
                *_line_columns(judged.accepted),
                root([leaf(order, self._round_id) for order in judged.accepted]),
                _array(judged.stakes_minor),
                _array(map(str, judged.stakes_minor.values())),
                [market for market, _ in judged.sold],
                [selection for _, selection in judged.sold],
                *zip(*judged.sold.values(), strict=True),
                len(judged.accepted) + len(judged.refused),
                sum(judged.stakes_minor.values()),
                sum([sold.payout_minor for sold in judged.sold.values()]),
                *_terminal_columns(judged.accepted),
            )
        if row is None:
            raise _id_taken()
        return _totals(row)

    def _asked(self, facts: Facts, judged: Judged) -> tuple[object, ...]:
        """The values of `_ASKED`."""
        accepted = judged.accepted
        refused = [order for order, _ in judged.refused]
        return (
            self._round_id,
            facts.now,
            _array([order.request_id for order in (*accepted, *refused)]),
            _array([order.account_id for order in accepted]),
            _array([str(order.stake_minor) for order in accepted]),
            len(accepted),
            [decision.verdict for _, decision in judged.refused],
            [decision.reason for _, decision in judged.refused],
            b"".join([order.content_hash for order in (*accepted, *refused)]),
        )


def _array(values: Iterable[str]) -> str:
    """An array as PostgreSQL reads it, of values that need no quotes.

    Joining text costs a tenth of what asyncpg takes to encode a list, element by element.
    """
    return f"{{{','.join(values)}}}"


def _line_columns(accepted: Sequence[Order]) -> tuple[str, ...]:
    """The columns of the accepted lines: ticket, number, market, selection, stake and price."""
    lines = [
        (order.request_id, str(n), str(market), f'"\\\\x{selection.hex()}"', str(stake_minor), str(price_hundredths))
        for order in accepted
        for n, (market, selection, stake_minor, price_hundredths) in enumerate(order.lines, 1)
    ]
    return tuple(map(_array, zip(*lines, strict=True)))


def _terminal_columns(accepted: Sequence[Order]) -> tuple[Sequence[str], Sequence[int]]:
    """The terminals of the accepted orders, each once, and the place there of each order's; none where none has one."""
    numbers: dict[str, int] = {}
    places = [numbers.setdefault(order.terminal, len(numbers) + 1) for order in accepted]
    return ([], []) if numbers.keys() == {""} else (list(numbers), places)


def _suspended(parts: Iterable[tuple[int, int, str]]) -> Suspended:
    return Suspended([Part(market=market, runner=runner, terminal=terminal) for market, runner, terminal in parts])


def _id_taken() -> BatchLost:
    return BatchLost("another writer answered one of the ids meanwhile", retry=True)


def _totals(row: asyncpg.Record) -> Totals:
    return Totals(tickets=row["tickets"], stake_minor=row["stake_minor"], payout_minor_max=row["payout_minor_max"])


def _known_keys(rows: Sequence[asyncpg.Record], tickets: Mapping[str, Ticket]) -> dict[str, KnownKey]:
    return {
        row["request_id"]: KnownKey(
            content_hash=row["content_hash"],
            verdict=Verdict(row["verdict"]),
            reason=row["reason"],
            ticket=tickets.get(row["request_id"]),
        )
        for row in rows
    }
