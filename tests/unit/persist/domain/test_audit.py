from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from services.persist.domain.audit import BEFORE_THE_FIRST, Action, Entry, link

ENTRY = Entry(
    made_at=datetime(2026, 11, 21, 10, 0, 0, 123_456, tzinfo=UTC),
    action=Action.BLOCK_ACCOUNT,
    subject="0190a000-0000-7000-8000-000000000001",
    actor="operator Ann",
    reason="Verdacht auf Betrug, geprüft",
    request_id="0190a000-0000-7000-8000-000000000002",
)


def test_the_hash_is_that_of_the_documented_bytes() -> None:
    written_out = (
        BEFORE_THE_FIRST
        + b"\x00\x00\x00\x101795255200123456"
        + b"\x00\x00\x00\x0dblock account"
        + b"\x00\x00\x00\x240190a000-0000-7000-8000-000000000001"
        + b"\x00\x00\x00\x0coperator Ann"
        + b"\x00\x00\x00\x1dVerdacht auf Betrug, gepr\xc3\xbcft"
        + b"\x00\x00\x00\x240190a000-0000-7000-8000-000000000002"
    )
    assert link(BEFORE_THE_FIRST, ENTRY) == sha256(written_out).digest()


@pytest.mark.parametrize(
    "changed",
    [
        replace(ENTRY, made_at=ENTRY.made_at.replace(microsecond=123_457)),
        replace(ENTRY, action=Action.UNBLOCK_ACCOUNT),
        replace(ENTRY, subject=""),
        replace(ENTRY, actor="operator Ann ", reason=ENTRY.reason[1:]),
        replace(ENTRY, actor="operator AnnV", reason=ENTRY.reason[1:]),  # a letter over the border of two fields
        replace(ENTRY, request_id=""),
    ],
    ids=["time", "action", "subject", "actor", "border", "request"],
)
def test_whatever_is_changed_changes_the_hash(changed: Entry) -> None:
    assert link(BEFORE_THE_FIRST, changed) != link(BEFORE_THE_FIRST, ENTRY)


def test_the_row_before_changes_the_hash() -> None:
    assert link(link(BEFORE_THE_FIRST, ENTRY), ENTRY) != link(BEFORE_THE_FIRST, ENTRY)
