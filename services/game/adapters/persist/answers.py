"""Answers of persist, and what its errors mean to the game: one table for all calls."""

from collections.abc import Awaitable, Sequence
from typing import Final, TypeVar

import grpc
from furlong.client.errors import (
    CallRefused,
    DeadlineEnded,
    FurlongError,
    OutcomeUnknown,
    ServiceDefect,
    Unreachable,
    answer_of,
)
from furlong.common.v1.error_pb2 import Reason

from services.chassis import freshness
from services.chassis.refusal import Refusal, Violation

PASSED_ON: Final = frozenset(
    (
        Reason.MALFORMED,
        Reason.TRACK_NOT_FOUND,
        Reason.ROUND_UNKNOWN,
        Reason.TICKET_UNKNOWN,
        Reason.ACCOUNT_UNKNOWN,
        Reason.REQUEST_REUSED,
        Reason.TRACK_EXISTS,
        Reason.ROUND_PHASE,
        Reason.TOO_EARLY,
        Reason.EPOCH_STALE,
        Reason.LEASE_HELD,
        Reason.CARD_MISSING,
        Reason.CURRENCY_MISMATCH,
        Reason.OVERLOADED,
        Reason.FUNDS_MISSING,
        Reason.TICKET_STATE,
        Reason.ACCOUNT_KIND,
        Reason.ACCOUNT_STOPPED,
        Reason.PROOF_NOT_READY,
    )
)
"""Refusals that say the same to our caller as to us. Any other is about ourselves, and our defect."""

_PASSED_ON_BY_NAME: Final = {Reason.Name(reason): reason for reason in PASSED_ON}

T = TypeVar("T")


class PersistDefect(Exception):
    """persist broke, or refused something that only we could have got wrong."""


async def read(call: Awaitable[T]) -> T:
    """Wait for the answer to a read, and note how old it is where it came from the cache.

    Raises Refusal or PersistDefect.
    """
    answer = await _answer(call, ())
    if isinstance(call, grpc.aio.Call):
        freshness.note(freshness.read(await call.initial_metadata()))
    return answer


async def written(call: Awaitable[T], *request_ids: str) -> T:
    """Wait for the answer to a write; what leaves it in doubt is Refusal(OUTCOME_UNKNOWN)."""
    return await _answer(call, request_ids)


async def _answer(call: Awaitable[T], request_ids: Sequence[str]) -> T:
    try:
        return await answer_of(call, request_ids)
    except FurlongError as error:
        raise refusal_of(error) from error


def refusal_of(error: FurlongError) -> Refusal | PersistDefect:
    """Read the table."""
    match error:
        case OutcomeUnknown():
            return Refusal(Reason.OUTCOME_UNKNOWN, "the store may or may not have done it; send the same ids again")
        case Unreachable():
            return Refusal(
                Reason.DEPENDENCY_DOWN, "the store does not answer; nothing was done", retry_in_ms=_positive(error)
            )
        case DeadlineEnded():
            return Refusal(Reason.OUT_OF_TIME, "the store did not answer in time")
        case CallRefused() if error.reason in _PASSED_ON_BY_NAME:
            return Refusal(
                _PASSED_ON_BY_NAME[error.reason],
                error.message,
                retry_in_ms=_positive(error),
                violations=[Violation(field=each.field, description=each.description) for each in error.violations],
                metadata=error.metadata,
            )
        case CallRefused() | ServiceDefect():
            return PersistDefect(str(error))
        case _:
            raise AssertionError(f"{type(error).__name__} is not in the table")


def _positive(error: FurlongError) -> int | None:
    return error.retry_in_ms if error.retry_in_ms is not None and error.retry_in_ms > 0 else None
