"""`furlong books` tells what the sums say."""

import re
from typing import Any

import pytest
from furlong.client.cli.app import app
from furlong.client.cli.session import Session
from furlong.common.v1.account_pb2 import Account, TrialBalance
from typer.testing import CliRunner

ROW = TrialBalance.Row(kind=Account.HOUSE, currency="EUR", accounts=1)


@pytest.mark.parametrize(
    ("arguments", "found", "said", "status"),
    [
        (["--round", "17"], TrialBalance(), r"^as of .+: no money has moved in round 17 yet\n$", 0),
        ([], TrialBalance(), r"^as of .+: no money has moved yet\n$", 0),
        (["--round", "17"], TrialBalance(rows=[ROW]), r"HOUSE(.|\n)*as of .+: the books balance\n$", 0),
        ([], TrialBalance(rows=[ROW], sum_minor=5), r"HOUSE(.|\n)*as of .+: the books are wrong by 5 minor units", 1),
    ],
    ids=["a round without transfers", "nothing at all", "balanced", "wrong"],
)
def test_the_books_say_whether_they_balance_or_that_nothing_has_moved(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], found: TrialBalance, said: str, status: int
) -> None:
    def run(_: Session, __: Any) -> TrialBalance:
        return found

    monkeypatch.setattr(Session, "run", run)
    told = CliRunner().invoke(app, ["books", *arguments])
    assert told.exit_code == status
    assert re.search(said, told.stdout)
