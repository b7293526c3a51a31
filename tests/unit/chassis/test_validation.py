"""Checks note every violation of a request and refuse once."""

import re
from collections.abc import Callable

import pytest
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.chassis.validation import QUOTED_CHARACTERS_MAX, VIOLATIONS_MAX, Checks

V4 = "0b9f1c5e-6d2a-4c3b-9e8f-7a6b5c4d3e2f"
V7 = "01890a5d-ac96-774b-bcce-b302099a8057"
SLUG = re.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*")

HOLDS: list[Callable[[Checks], None]] = [
    lambda checks: checks.uuid("f", V4),
    lambda checks: checks.uuid("f", V7),
    lambda checks: checks.uuid7("f", V7),
    lambda checks: checks.between("f", 1, 1, 3),
    lambda checks: checks.between("f", 3, 1, 3),
    lambda checks: checks.length("f", [1, 2], 1, 2),
    lambda checks: checks.text("f", "Grace O'Malley, née Ní Mháille", 1, 80),
    lambda checks: checks.text("f", "", 0, 80),
    lambda checks: checks.pattern("f", "harbour-mile", SLUG, "a slug"),
    lambda checks: checks.that("f", True, "is fine"),
]

BREAKS: list[tuple[Callable[[Checks], None], str]] = [
    (lambda checks: checks.uuid("f", ""), "'' is not a UUID"),
    (lambda checks: checks.uuid("f", V4.upper()), "is not a UUID in lower case"),
    (lambda checks: checks.uuid("f", V4.replace("-", "")), "is not a UUID"),
    (lambda checks: checks.uuid("f", V4 + "\n"), "is not a UUID"),
    (lambda checks: checks.uuid7("f", V4), "is not a UUID of version 7"),
    (lambda checks: checks.uuid7("f", V7.replace("-b", "-c")), "is not a UUID of version 7"),
    (lambda checks: checks.between("f", 0, 1, 3), "0 is not between 1 and 3"),
    (lambda checks: checks.between("f", 4, 1, 3), "4 is not between 1 and 3"),
    (lambda checks: checks.length("f", [], 1, 500), "has 0 elements, not 1 to 500"),
    (lambda checks: checks.length("f", range(501), 1, 500), "has 501 elements, not 1 to 500"),
    (lambda checks: checks.text("f", "x" * 81, 1, 80), "has 81 characters, not 1 to 80"),
    (lambda checks: checks.text("f", "a\x00b", 1, 80), "cannot be printed"),
    (lambda checks: checks.pattern("f", "Harbour Mile", SLUG, "a slug"), "'Harbour Mile' is not a slug"),
    (lambda checks: checks.that("f", False, "repeats runner 3"), "repeats runner 3"),
]


@pytest.mark.parametrize("check", HOLDS)
def test_what_keeps_the_contract_is_let_through(check: Callable[[Checks], None]) -> None:
    checks = Checks()
    check(checks)
    checks.refuse()


@pytest.mark.parametrize(("check", "words"), BREAKS)
def test_what_breaks_the_contract_is_refused_by_field(check: Callable[[Checks], None], words: str) -> None:
    checks = Checks()
    check(checks)
    with pytest.raises(Refusal) as caught:
        checks.refuse()
    assert caught.value.reason == Reason.MALFORMED
    assert [violation.field for violation in caught.value.violations] == ["f"]
    assert words in caught.value.violations[0].description
    assert caught.value.message == f"f: {caught.value.violations[0].description}"


def test_all_violations_are_told_together() -> None:
    checks = Checks()
    checks.between("round_id", 0, 1, 9)
    checks.uuid("account_id", "nobody")
    with pytest.raises(Refusal, match=r"round_id: 0 is not between 1 and 9 \(and 1 more\)") as caught:
        checks.refuse()
    assert [violation.field for violation in caught.value.violations] == ["round_id", "account_id"]


def test_a_request_that_is_wrong_everywhere_gets_an_answer_of_bounded_length() -> None:
    checks = Checks()
    for index in range(500):
        checks.uuid(f"tickets[{index}].request_id", "x" * 10_000)
    with pytest.raises(Refusal, match="and 499 more") as caught:
        checks.refuse()
    assert len(caught.value.violations) == VIOLATIONS_MAX
    assert all(len(violation.description) < QUOTED_CHARACTERS_MAX + 80 for violation in caught.value.violations)
    assert caught.value.metadata == {"violations": "500"}
