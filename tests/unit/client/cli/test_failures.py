"""Every failure is told in one line: what, where, and what to do."""

import grpc
import pytest
from furlong.client.cli.failures import ADVICE, explain
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

CODE = grpc.StatusCode


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            Unreachable(CODE.UNAVAILABLE, "", "all backends: ipv4:127.0.0.1:8080: Connection refused"),
            "the gateway at here:1 does not answer (Connection refused): start a local stack with `make up`, "
            "or name another gateway with --gateway or FURLONG_GATEWAY",
        ),
        (
            Unreachable(CODE.UNAVAILABLE, "DEPENDENCY_DOWN", "persist does not answer"),
            "DEPENDENCY_DOWN: persist does not answer: try again in a moment; "
            "a local stack tells more in the logs of its data folder",
        ),
        (
            CallRefused(CODE.NOT_FOUND, "TRACK_NOT_FOUND", "no track is called moon"),
            "TRACK_NOT_FOUND: no track is called moon: `furlong rounds` lists the tracks there are",
        ),
        (
            CallRefused(CODE.RESOURCE_EXHAUSTED, "OVERLOADED", "the queue is full", retry_in_ms=1_200),
            "OVERLOADED: the queue is full, again in 2 s: try again",
        ),
        (
            CallRefused(
                CODE.INVALID_ARGUMENT,
                "MALFORMED",
                "the request breaks its contract",
                violations=[Violation(field="currency", description="three capital letters")],
            ),
            "MALFORMED: the request breaks its contract; currency: three capital letters",
        ),
        (
            OutcomeUnknown(CODE.UNAVAILABLE, "OUTCOME_UNKNOWN", "the reply was lost", request_ids=["a-b"]),
            "it is not known whether this was done (OUTCOME_UNKNOWN: the reply was lost): "
            "repeat the same command with --id a-b",
        ),
        (
            DeadlineEnded(CODE.DEADLINE_EXCEEDED, "OUT_OF_TIME", "1000 ms are over"),
            "here:1 did not answer in time (OUT_OF_TIME: 1000 ms are over): try again",
        ),
        (
            ServiceDefect(CODE.INTERNAL, "INTERNAL_DEFECT", "trace 4bf9"),
            "here:1 failed at this (INTERNAL_DEFECT: trace 4bf9): this is a defect of the service, its logs tell more",
        ),
        (CallRefused(CODE.ABORTED), "ABORTED: nothing was said"),
        (CallRefused(CODE.ABORTED, "", "two\nlines\x1b[1m"), "ABORTED: two?lines?[1m"),
    ],
)
def test_a_failure_is_one_line_that_says_what_to_do(error: FurlongError, told: str) -> None:
    assert explain(error, "here:1") == told


def test_advice_is_given_for_reasons_that_exist() -> None:
    assert set(ADVICE) <= set(Reason.keys())


def test_a_violation_that_the_message_tells_is_told_once() -> None:
    told = "account_id: 'x' is not a UUID"
    violation = Violation(field="account_id", description="'x' is not a UUID")
    error = CallRefused(CODE.INVALID_ARGUMENT, "MALFORMED", told, violations=(violation,))
    assert explain(error, "here:1") == f"MALFORMED: {told}"
