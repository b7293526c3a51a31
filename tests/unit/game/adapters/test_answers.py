"""What persist's errors mean to the game: every reason and every kind of failure has its place in the table."""

import grpc
import pytest
from furlong.client.errors import (
    CallRefused,
    DeadlineEnded,
    FurlongError,
    OutcomeUnknown,
    ServiceDefect,
    Unreachable,
    Violation,
)
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.game.adapters.persist.answers import PASSED_ON, PersistDefect, refusal_of

OURS = {
    # Reasons that persist gives only for what we got wrong, or that only the public door gives.
    Reason.REASON_UNSPECIFIED,
    Reason.TOKEN_MISSING,
    Reason.TOKEN_INVALID,
    Reason.ROLE_MISSING,
    Reason.ACCOUNT_NOT_YOURS,
    Reason.PRICES_FIXED,
    Reason.TERMINAL_NOT_YOURS,
    Reason.PEER_NOT_ALLOWED,
    Reason.RESULT_SOURCE,
    Reason.FELL_BEHIND,
    Reason.METHOD_UNKNOWN,
    Reason.TRACE_UNKNOWN,
    Reason.INTERNAL_DEFECT,
}
NO_REFUSAL = {Reason.OUTCOME_UNKNOWN, Reason.DRAINING, Reason.DEPENDENCY_DOWN, Reason.OUT_OF_TIME}
"""Reasons whose status makes them another kind of failure than CallRefused."""


def test_every_reason_has_its_place() -> None:
    assert set(Reason.values()) == PASSED_ON | OURS | NO_REFUSAL
    assert not PASSED_ON & OURS


@pytest.mark.parametrize("reason", sorted(PASSED_ON))
def test_a_refusal_that_concerns_the_caller_is_passed_on_whole(reason: Reason.ValueType) -> None:
    error = CallRefused(
        grpc.StatusCode.FAILED_PRECONDITION,
        Reason.Name(reason),
        "in words",
        violations=[Violation(field="page_token", description="is wrong")],
        retry_in_ms=250,
        metadata={"a": "b"},
    )
    refusal = refusal_of(error)

    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.message, refusal.retry_in_ms) == (reason, "in words", 250)
    assert [violation.field for violation in refusal.violations] == ["page_token"]
    assert refusal.metadata == {"a": "b"}


@pytest.mark.parametrize("reason", [*sorted(Reason.Name(reason) for reason in OURS), "", "SOMETHING_NEW"])
def test_a_refusal_that_concerns_ourselves_is_a_defect(reason: str) -> None:
    assert isinstance(refusal_of(CallRefused(grpc.StatusCode.PERMISSION_DENIED, reason, "no")), PersistDefect)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OutcomeUnknown(grpc.StatusCode.UNAVAILABLE), Reason.OUTCOME_UNKNOWN),
        (Unreachable(grpc.StatusCode.UNAVAILABLE), Reason.DEPENDENCY_DOWN),
        (Unreachable(grpc.StatusCode.UNAVAILABLE, "DRAINING", retry_in_ms=200), Reason.DEPENDENCY_DOWN),
        (DeadlineEnded(grpc.StatusCode.DEADLINE_EXCEEDED), Reason.OUT_OF_TIME),
    ],
)
def test_a_failure_is_told_as_what_is_known_of_it(error: FurlongError, reason: Reason.ValueType) -> None:
    refusal = refusal_of(error)

    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason
    assert refusal.retry_in_ms == error.retry_in_ms


def test_persist_breaking_is_no_refusal() -> None:
    assert isinstance(refusal_of(ServiceDefect(grpc.StatusCode.INTERNAL)), PersistDefect)


def test_no_kind_of_failure_is_forgotten() -> None:
    for kind in FurlongError.__subclasses__():
        refusal_of(kind(grpc.StatusCode.UNKNOWN))
