"""Connections to PostgreSQL and the two ways of using them: a read, and a transaction that commits or says why not.

Four budgets, so that one kind of work cannot starve another: `reads`; `general` for tracks, accounts, cancels and
payments; `transitions` for rounds, where a settlement may take seconds; `leases`, which must be renewed in time
whatever else goes on. The writer's lanes have connections of their own (`placing.py`).

Every connection takes a role on as it is made: that of a reader for `reads`, that of a writer for the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from time import perf_counter
from typing import Any, Final, TypeAlias, TypeVar

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

TRANSACTION_ATTEMPTS_MAX: Final = 3
"""How often a transaction is tried that lost against another (a deadlock)."""

POSTGRESQL: Final = "postgresql"

IDLE_IN_TRANSACTION_MS: Final = 15_000
TCP_USER_TIMEOUT_MS: Final = 10_000

BEGIN: Final = "BEGIN"

_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer(__name__)
_duration = DB_CLIENT_OPERATION_DURATION.histogram(metrics.get_meter(__name__))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where the database is, as whom to work there, with how many connections, and how long to wait for what."""

    url: str
    writer_role: str
    reader_role: str
    reads_min: int
    reads_max: int
    general_max: int
    transitions_max: int
    leases_max: int
    acquire_timeout_ms: int
    connection_timeout_ms: int
    idle_timeout_ms: int
    statement_timeout_ms: int
    transition_timeout_ms: int
    command_timeout_ms: int
    lock_timeout_ms: int
    statement_cache: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one kind of work may have: connections, and time for a statement and for a lock, both at the server."""

    name: str
    role: str
    least: int
    most: int
    statement_timeout_ms: int
    lock_timeout_ms: int


class Pool:
    """Connections for one kind of work."""

    def __init__(self, settings: DatabaseSettings, budget: Budget) -> None:
        self._timeout_s = settings.acquire_timeout_ms / 1000
        self._pool = asyncpg.create_pool(
            settings.url,
            min_size=budget.least,
            max_size=budget.most,
            max_inactive_connection_lifetime=settings.idle_timeout_ms / 1000,
            reset=_leave_as_is,
            **_connecting(settings, budget),
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

    async def transact(
        self,
        name: str,
        work: Callable[[Connection], Awaitable[T]],
        begin: str = BEGIN,
        attempts_max: int = TRANSACTION_ATTEMPTS_MAX,
    ) -> T:
        """Do `work` in one transaction, which `begin` begins, and commit it; again where others were in its way.

        Raises Refusal: whatever `work` refuses, DEPENDENCY_DOWN when nothing was done, OUTCOME_UNKNOWN when the
        connection was lost while COMMIT was under way.
        """
        for attempt in range(1, attempts_max + 1):
            try:
                with sql_span(name):
                    return await self._transact_once(work, begin)
            except Refusal:
                raise
            except Exception as error:
                if fault_of(error) is not Fault.AGAIN or attempt == attempts_max:
                    raise _told(error) from error
                _log.info("transaction_again", transaction=name, attempt=attempt, cause=str(error))
        raise AssertionError("the last attempt returns or raises")

    async def _transact_once(self, work: Callable[[Connection], Awaitable[T]], begin: str) -> T:
        async with self._pool.acquire(timeout=self._timeout_s) as connection:
            try:
                await connection.execute(begin)
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
    """The four budgets."""

    reads: Pool
    general: Pool
    transitions: Pool
    leases: Pool

    @staticmethod
    def at(settings: DatabaseSettings) -> "Database":
        """Prepare the pools; nothing is connected yet."""
        reads = Budget(
            name="reads",
            role=settings.reader_role,
            least=settings.reads_min,
            most=settings.reads_max,
            statement_timeout_ms=settings.statement_timeout_ms,
            lock_timeout_ms=settings.lock_timeout_ms,
        )
        general = replace(reads, name="general", role=settings.writer_role, least=1, most=settings.general_max)
        transitions = replace(
            general,
            name="transitions",
            most=settings.transitions_max,
            statement_timeout_ms=settings.transition_timeout_ms,
            lock_timeout_ms=settings.transition_timeout_ms,  # the step that everybody waits for waits its turn
        )
        leases = replace(general, name="leases", most=settings.leases_max)
        return Database(**{budget.name: Pool(settings, budget) for budget in (reads, general, transitions, leases)})

    async def open(self) -> None:
        """Connect."""
        for pool in self._pools():
            await pool.open()

    async def close(self) -> None:
        """Disconnect."""
        for pool in self._pools():
            await pool.close()

    async def answers(self) -> bool:
        """Ask the database for a sign of life."""
        try:
            await self.reads.fetch("ping", "SELECT 1")
        except Refusal:
            return False
        return True

    def _pools(self) -> Sequence[Pool]:
        return self.reads, self.general, self.transitions, self.leases


async def connect_lane(settings: DatabaseSettings) -> OwnConnection:
    """Make a connection of the ticket writer's own. Raises what asyncpg raises."""
    budget = Budget(
        name="writer",
        role=settings.writer_role,
        least=1,
        most=1,
        statement_timeout_ms=settings.statement_timeout_ms,
        lock_timeout_ms=settings.lock_timeout_ms,
    )
    how = _connecting(settings, budget)
    how["server_settings"] |= {"plan_cache_mode": "force_generic_plan"}  # no plan depends on the values: plan once
    connection: OwnConnection = await asyncpg.connect(settings.url, **how)
    return connection


def _connecting(settings: DatabaseSettings, budget: Budget) -> dict[str, Any]:
    """How to make a connection. The client gives a statement up by the same margin after the server for every budget:
    the backstop for a server that hangs."""
    margin_ms = settings.command_timeout_ms - settings.statement_timeout_ms
    at_server = {
        "application_name": f"furlong-persist-{budget.name}",
        "timezone": "UTC",
        "default_transaction_isolation": "read committed",
        "statement_timeout": str(budget.statement_timeout_ms),
        "lock_timeout": str(budget.lock_timeout_ms),
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
        "tcp_user_timeout": str(TCP_USER_TIMEOUT_MS),
    }
    return {
        "timeout": settings.connection_timeout_ms / 1000,
        "command_timeout": (budget.statement_timeout_ms + margin_ms) / 1000,
        "statement_cache_size": settings.statement_cache,
        "server_settings": at_server | ({"role": budget.role} if budget.role else {}),
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
