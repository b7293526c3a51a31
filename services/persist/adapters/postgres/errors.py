"""The one table from what asyncpg raises to what it means for the caller.

    AGAIN   the transaction lost against another; the same one, begun anew, is expected to succeed
    DOWN    the database cannot serve now; nothing was done, unless COMMIT had been sent
    DEFECT  a statement or a value of ours is wrong; trying again changes nothing

A server's error is judged by the class of its SQLSTATE (its first two characters), with single codes before it.
asyncpg raises errors without SQLSTATE too, among them `InternalClientError` when the server dies under it.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

import asyncpg


class Fault(Enum):
    """What an error means."""

    AGAIN = "again"
    DOWN = "down"
    DEFECT = "defect"


BY_CODE: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "25006": Fault.DOWN,  # read_only_sql_transaction: a standby, or a primary that was demoted
        "25P03": Fault.DOWN,  # idle_in_transaction_session_timeout: this process was stopped for long
        "25P04": Fault.DOWN,  # transaction_timeout
        "55P03": Fault.DOWN,  # lock_not_available: lock_timeout
        "57014": Fault.DOWN,  # query_canceled: statement_timeout
        "57P05": Fault.DOWN,  # idle_session_timeout
    }
)

BY_CLASS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "01": Fault.DEFECT,  # warning
        "02": Fault.DEFECT,  # no data
        "03": Fault.DEFECT,  # statement not yet complete
        "08": Fault.DOWN,  # connection
        "09": Fault.DEFECT,  # triggered action
        "0A": Fault.DEFECT,  # feature not supported
        "0B": Fault.DEFECT,  # transaction initiation
        "0F": Fault.DEFECT,  # locator
        "0L": Fault.DEFECT,  # grantor
        "0P": Fault.DEFECT,  # role specification
        "0Z": Fault.DEFECT,  # diagnostics
        "10": Fault.DEFECT,  # XQuery
        "20": Fault.DEFECT,  # case not found
        "21": Fault.DEFECT,  # cardinality
        "22": Fault.DEFECT,  # data
        "23": Fault.DEFECT,  # integrity constraint: the last net under the decision
        "24": Fault.DEFECT,  # cursor state
        "25": Fault.DEFECT,  # transaction state
        "26": Fault.DOWN,  # statement name: a pooler or DISCARD took the prepared statement away
        "27": Fault.DEFECT,  # triggered data change
        "28": Fault.DOWN,  # authorization: the password is being changed
        "2B": Fault.DEFECT,  # dependent privileges
        "2D": Fault.DEFECT,  # transaction termination
        "2F": Fault.DEFECT,  # SQL routine
        "34": Fault.DEFECT,  # cursor name
        "38": Fault.DEFECT,  # external routine
        "39": Fault.DEFECT,  # external routine invocation
        "3B": Fault.DEFECT,  # savepoint
        "3D": Fault.DOWN,  # catalog name: the database is being restored
        "3F": Fault.DEFECT,  # schema name
        "40": Fault.AGAIN,  # deadlock, serialization
        "42": Fault.DEFECT,  # syntax, undefined names, privileges
        "44": Fault.DEFECT,  # check option
        "53": Fault.DOWN,  # resources: disk, memory, connections
        "54": Fault.DEFECT,  # program limits
        "55": Fault.DEFECT,  # object state
        "57": Fault.DOWN,  # operator intervention: shutdown, crash, starting up
        "58": Fault.DOWN,  # the system below
        "72": Fault.DEFECT,  # snapshot
        "F0": Fault.DOWN,  # configuration file
        "HV": Fault.DEFECT,  # foreign data
        "P0": Fault.DEFECT,  # PL/pgSQL
        "XX": Fault.DOWN,  # internal error: corrupted pages and the like, for operators to see to
    }
)


def fault_of(error: BaseException) -> Fault:
    """Judge an error that came out of asyncpg."""
    code = getattr(error, "sqlstate", None)
    if isinstance(error, asyncpg.PostgresError) and code:
        return BY_CODE.get(code) or BY_CLASS.get(code[:2], Fault.DEFECT)
    if isinstance(error, asyncpg.DataError):  # a value of ours that the client could not even encode
        return Fault.DEFECT
    if isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return Fault.DOWN
    return Fault.DEFECT
