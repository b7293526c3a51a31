"""The audit's chain: what people did by hand, each row bound to all before it.

The hash of a row is SHA-256 of the hash of the row before it (32 zero bytes before the first) and the row's record. The
record is six fields in this order, each as its length in bytes, a 32-bit big-endian number, and that many bytes of
UTF-8: the microseconds since 1970 in decimal digits, the action, the subject, the actor, the reason, and the request id
in lower case, empty where there is none. The order of the rows is that of their ids.

Who changes, takes out or exchanges a row breaks the chain there. Rows cut off its end leave a chain that fits: only
somebody who kept a later hash elsewhere notices.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final

BEFORE_THE_FIRST: Final = bytes(32)
"""The previous hash of the first row."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Action(StrEnum):
    """What was done. The words are stored and never change their sense."""

    ADJUST_ACCOUNT = "adjust account"
    PAY_OUT_ACCOUNT = "pay out account"
    BLOCK_ACCOUNT = "block account"
    UNBLOCK_ACCOUNT = "unblock account"
    PAUSE_TRACK = "pause track"
    SUSPEND_TRACK = "suspend track"
    RESUME_TRACK = "resume track"
    UPDATE_TRACK = "update track"
    SUSPEND_SELLING = "suspend selling"
    RESUME_SELLING = "resume selling"
    VOID_ROUND = "void round"
    ENTER_RESULT = "enter result"
    CORRECT_RESULT = "correct result"
    SET_PRICES = "set prices"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row without its hashes. `subject` is the account, track or round by its id, `actor` who asked.

    Where it is a part of a track, the subject is the track's name, a space and the part in words.
    """

    made_at: datetime
    action: str
    subject: str
    actor: str
    reason: str
    request_id: str


def link(previous: bytes, entry: Entry) -> bytes:
    """The hash of a row that comes after `previous`."""
    made_at_us = (entry.made_at - _EPOCH) // timedelta(microseconds=1)
    fields = (str(made_at_us), entry.action, entry.subject, entry.actor, entry.reason, entry.request_id)
    return sha256(previous + b"".join(_framed(field.encode()) for field in fields)).digest()


def _framed(field: bytes) -> bytes:
    return len(field).to_bytes(4, "big") + field
