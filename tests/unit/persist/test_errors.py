"""What asyncpg raises and what we make of it, without a gap."""

import inspect

import asyncpg
import pytest

from services.persist.adapters.postgres.errors import BY_CLASS, BY_CODE, Fault, fault_of

SERVER_ERRORS = {
    found.sqlstate: found
    for _, found in inspect.getmembers(asyncpg.exceptions, inspect.isclass)
    if issubclass(found, asyncpg.PostgresError) and getattr(found, "sqlstate", None)
}

TABLE = """
    error                                fault
    DeadlockDetectedError                again
    SerializationError                   again
    AdminShutdownError                   down
    CrashShutdownError                   down
    CannotConnectNowError                down
    QueryCanceledError                   down
    LockNotAvailableError                down
    IdleInTransactionSessionTimeoutError down
    ConnectionDoesNotExistError          down
    TooManyConnectionsError              down
    DiskFullError                        down
    ReadOnlySQLTransactionError          down
    InvalidSQLStatementNameError         down
    InvalidPasswordError                 down
    CheckViolationError                  defect
    UniqueViolationError                 defect
    NumericValueOutOfRangeError          defect
    UndefinedTableError                  defect
    PostgresSyntaxError                  defect
    InternalClientError                  down
    InterfaceError                       down
"""


@pytest.mark.parametrize("row", [line.split() for line in TABLE.strip().splitlines()[1:]])
def test_an_error_means_what_the_table_says(row: list[str]) -> None:
    assert fault_of(getattr(asyncpg, row[0])("said")).value == row[1]


def test_every_class_of_sqlstate_that_asyncpg_knows_is_judged() -> None:
    assert {code[:2] for code in SERVER_ERRORS} - set(BY_CLASS) == set()


def test_every_single_code_that_is_judged_exists_and_differs_from_its_class() -> None:
    known = set(SERVER_ERRORS) | {"25P04", "57P05"}  # newer than asyncpg
    assert set(BY_CODE) <= known
    assert all(BY_CODE[code] is not BY_CLASS[code[:2]] or code.startswith("57") for code in BY_CODE)


@pytest.mark.parametrize("error", [ConnectionResetError(), OSError(), TimeoutError(), EOFError()])
def test_a_broken_wire_is_a_database_that_is_down(error: Exception) -> None:
    wanted = Fault.DOWN if isinstance(error, OSError) else Fault.DEFECT
    assert fault_of(error) is wanted


def test_a_value_that_cannot_be_encoded_is_our_defect() -> None:
    assert fault_of(asyncpg.DataError("invalid input")) is Fault.DEFECT


def test_a_mistake_of_python_is_our_defect() -> None:
    assert fault_of(KeyError("x")) is Fault.DEFECT
