"""Connections to PostgreSQL and the two ways of using them: a read, and a transaction that commits or says why not.

Three budgets, so that one kind of work cannot starve another: `general` for reads, tracks and accounts; `transitions`
for rounds, where a settlement may take seconds; `leases`, which must be renewed in time whatever else goes on. The
writer's lanes have connections of their own (`placing.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Final, TypeAlias, TypeVar

import asyncpg
import structlog
from furlong.common.v1.error_pb2 import Reason
from opentelemetry import metrics, trace

from services.chassis.refusal import Refusal
from services.chassis.telemetry_names import (
    DB_CLIENT_OPERATION_DURATION,
    DB_OPERATION_NAME,
    DB_SYSTEM_NAME,
    ERROR_TYPE,
)
from services.persist import telemetry_names as names
from services.persist.adapters.postgres.errors import Fault, fault_of

OwnConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]"
T = TypeVar("T")

TRANSITION_CONNECTIONS: Final = 6
LEASE_CONNECTIONS: Final = 2

TRANSACTION_ATTEMPTS_MAX: Final = 3
"""How often a transaction is tried that lost against another (a deadlock)."""

SETTLEMENT_STATEMENT_MS: Final = 10_000
"""How long a statement of a settlement or a void may take; they are given 10 s by their callers."""

CLIENT_MARGIN_S: Final = 0.5
"""How much later than the server the client gives a statement up: the backstop for a server that hangs."""

POSTGRESQL: Final = "postgresql"

IDLE_IN_TRANSACTION_MS: Final = 15_000
TCP_USER_TIMEOUT_MS: Final = 10_000

_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer(__name__)
_duration = DB_CLIENT_OPERATION_DURATION.histogram(metrics.get_meter(__name__))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where the database is and how long to wait for it."""

    url: str
    pool_min: int
    pool_max: int
    connection_timeout_ms: int
    statement_timeout_ms: int


class Pool:
    """Connections for one kind of work. `statement_timeout_ms` bounds each statement at the server."""

    def __init__(self, settings: DatabaseSettings, *, name: str, least: int, most: int, statement_timeout_ms: int):
        self._settings = settings
        self._timeout_s = settings.connection_timeout_ms / 1000
        self._pool = asyncpg.create_pool(
            settings.url,
            min_size=least,
            max_size=most,
            timeout=self._timeout_s,
            command_timeout=statement_timeout_ms / 1000 + CLIENT_MARGIN_S,
            server_settings=server_settings(f"furlong-persist-{name}", statement_timeout_ms),
            reset=_leave_as_is,
        )

    async def open(self) -> None:
        """Connect what is kept connected. Raises what asyncpg raises: a service that cannot start says why."""
        await self._pool

    async def close(self) -> None:
        """Close every connection, those in use by force."""
        try:
            await asyncio.wait_for(self._pool.close(), self._timeout_s)
        except TimeoutError:
            self._pool.terminate()

    async def fetch(self, name: str, statement: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """Read rows. `name` names the statement in traces. Raises Refusal DEPENDENCY_DOWN."""
        try:
            with sql_span(name):
                async with self._pool.acquire(timeout=self._timeout_s) as connection:
                    return await connection.fetch(statement, *arguments)
        except Exception as error:
            raise _told(error) from error

    async def fetch_row(self, name: str, statement: str, *arguments: object) -> asyncpg.Record | None:
        """Read one row, None where there is none."""
        rows = await self.fetch(name, statement, *arguments)
        return rows[0] if rows else None

    async def transact(self, name: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do `work` in one transaction and commit it.

        Raises Refusal: whatever `work` refuses, DEPENDENCY_DOWN when nothing was done, OUTCOME_UNKNOWN when the
        connection was lost while COMMIT was under way.
        """
        for attempt in range(1, TRANSACTION_ATTEMPTS_MAX + 1):
            try:
                with sql_span(name):
                    return await self._transact_once(work)
            except Refusal:
                raise
            except Exception as error:
                if fault_of(error) is not Fault.AGAIN or attempt == TRANSACTION_ATTEMPTS_MAX:
                    raise _told(error) from error
                _log.info("transaction_again", transaction=name, attempt=attempt, cause=str(error))
        raise AssertionError("the last attempt returns or raises")

    async def _transact_once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._pool.acquire(timeout=self._timeout_s) as connection:
            await connection.execute("BEGIN")
            try:
                result = await work(connection)
            except Refusal:
                await connection.execute("ROLLBACK")
                raise
            except BaseException:
                _cut(connection)  # its state is not known, and the server rolls back by itself
                raise
            try:
                with sql_span("commit"):
                    await connection.execute("COMMIT")
            except BaseException as error:
                _cut(connection)
                if isinstance(error, Exception):
                    raise Refusal(Reason.OUTCOME_UNKNOWN, "the commit was sent and its answer was lost") from error
                raise
            return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The three budgets."""

    general: Pool
    transitions: Pool
    leases: Pool

    @staticmethod
    def at(settings: DatabaseSettings) -> "Database":
        """Prepare the pools; nothing is connected yet."""
        short_ms = settings.statement_timeout_ms
        long_ms = max(short_ms, SETTLEMENT_STATEMENT_MS)
        return Database(
            general=Pool(
                settings,
                name="general",
                least=settings.pool_min,
                most=settings.pool_max,
                statement_timeout_ms=short_ms,
            ),
            transitions=Pool(
                settings, name="transitions", least=1, most=TRANSITION_CONNECTIONS, statement_timeout_ms=long_ms
            ),
            leases=Pool(settings, name="leases", least=1, most=LEASE_CONNECTIONS, statement_timeout_ms=short_ms),
        )

    async def open(self) -> None:
        """Connect."""
        for pool in (self.general, self.transitions, self.leases):
            await pool.open()

    async def close(self) -> None:
        """Disconnect."""
        for pool in (self.general, self.transitions, self.leases):
            await pool.close()

    async def answers(self) -> bool:
        """Ask the database for a sign of life."""
        try:
            await self.general.fetch("ping", "SELECT 1")
        except Refusal:
            return False
        return True


def server_settings(application_name: str, statement_timeout_ms: int) -> dict[str, str]:
    """What every connection of ours sets at the server."""
    return {
        "application_name": application_name,
        "timezone": "UTC",
        "default_transaction_isolation": "read committed",
        "statement_timeout": str(statement_timeout_ms),
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
        "tcp_user_timeout": str(TCP_USER_TIMEOUT_MS),
    }


def _cut(connection: Connection) -> None:
    """Throw a connection away. One that the server has closed has left its pool by itself and refuses that."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _leave_as_is(_: object) -> None:
    """Our transactions leave no state on a connection, so giving it back costs no round trip."""


@contextmanager
def sql_span(name: str) -> Iterator[None]:
    """Measure one statement or transaction, with a span where the caller is being traced."""
    began_s = perf_counter()
    error_type = ""
    try:
        with _span(name):
            yield
    except Refusal:
        raise  # the database did its part
    except BaseException as error:
        error_type = type(error).__name__
        raise
    finally:
        _duration.record(perf_counter() - began_s, _outcome(name, error_type))


@contextmanager
def _span(name: str) -> Iterator[None]:
    """A span, only where the caller is being traced: an untraced call pays one look."""
    if not trace.get_current_span().is_recording():
        yield
        return
    attributes = {DB_SYSTEM_NAME: POSTGRESQL, DB_OPERATION_NAME: name}
    with _tracer.start_as_current_span(names.SPAN_SQL_PREFIX + name, kind=trace.SpanKind.CLIENT, attributes=attributes):
        yield


@cache
def _outcome(name: str, error_type: str) -> Mapping[str, str]:
    """The attributes of a measurement. There are as many as statements times what can go wrong with them."""
    attributes = {DB_SYSTEM_NAME: POSTGRESQL, DB_OPERATION_NAME: name}
    return attributes | {ERROR_TYPE: error_type} if error_type else attributes


def _told(error: Exception) -> Exception:
    """An error as the caller is told it: a database that is down is a refusal, a defect stays what it is."""
    if isinstance(error, Refusal):
        return error
    if fault_of(error) is Fault.DEFECT:
        return error
    _log.warning("database_down", cause=repr(error))
    return Refusal(Reason.DEPENDENCY_DOWN, "the database does not answer; nothing was done")
