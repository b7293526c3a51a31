"""Five hundred tickets at once through the gateway, over both doors, on real race cards, and every cent of them.

The story is played once; each test looks at one side of it. The orders are made from SEED, so that a failure can be
played again.
"""

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from furlong.common.v1.round_pb2 import Timetable

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.books import Books
from tests.e2e.command import furlong
from tests.e2e.doors import Answer, Door, doors
from tests.e2e.people import People
from tests.e2e.racing import (
    SETTLE_S,
    new_track,
    only_for_now,
    open_account,
    open_round,
    order,
    place,
    round_that_is,
    win_line,
)
from tests.model import draw, ledger, settlement, tickets_root

SEED = 20261121
TICKETS = 500
TWINS = 100
"""So many tickets are sent through both doors at the same time."""
RICH, POOR = 30, 10
RICH_MINOR, POOR_MINOR = 1_000_000, 1_000
STAKE_MAX_MINOR = 900
BETTING_S = 12.0
TIMETABLE = Timetable(betting_window_ms=12_000, lock_ms=100, race_ms=400, finish_ms=400)
ROOT = Path(__file__).resolve().parents[2]
REAL_CARDS = ROOT.parent / "shared" / "data" / "hk_runners.csv"
SHIPPED_CARDS = ROOT / "client" / "furlong" / "client" / "data" / "cards.csv"
CARDS = REAL_CARDS if REAL_CARDS.exists() else SHIPPED_CARDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What was sent, what was answered, and what was found afterwards."""

    opened: Answer
    settled: Answer
    funds_minor: Mapping[str, int]
    orders: Sequence[Answer]
    first: Sequence[Answer]
    twins: Sequence[Answer]
    again: Sequence[Answer]
    read_one_by_one: Mapping[str, Answer]
    read_by_account: Mapping[str, Answer]
    stored: Sequence[settlement.BoughtTicket]
    batches: Sequence[Sequence[settlement.BoughtTicket]]
    accounts: Sequence[ledger.BookAccount]
    transfers: Sequence[ledger.BookTransfer]
    proof: Answer

    @property
    def accepted(self) -> dict[str, Answer]:
        """The acknowledged tickets by their id."""
        return {each["request_id"]: each["ticket"] for each in self.first if each["verdict"] == "ACCEPTED"}

    @property
    def owed_minor(self) -> Mapping[str, int]:
        """What the model pays for each stored ticket."""
        return settlement.payouts_minor(self.stored, self.settled["result"])


@pytest.fixture(scope="module")
def story(stack: LocalStack, people: People) -> Story:
    with only_for_now():
        return asyncio.run(play(stack, people))


async def play(stack: LocalStack, people: People) -> Story:
    async with doors(stack.addresses.gateway) as (rest, grpc), Books.open(stack.addresses.database_url) as books:
        track = await new_track(stack, "real", TIMETABLE, cards=())
        funds_minor = {
            await open_account(grpc, people.cashier, funds_minor=funds): funds
            for funds in [RICH_MINOR] * RICH + [POOR_MINOR] * POOR
        }
        furlong(stack, "cards", "import", str(CARDS), "--track", track)
        opened = await open_round(grpc, track, left_s=BETTING_S * 0.8)
        orders = orders_from(random.Random(SEED), opened, list(funds_minor))
        first, twins = await send_at_once(people.cashier, opened["round_id"], orders, (rest, grpc))
        again, _ = await send_at_once(people.cashier, opened["round_id"], orders, (grpc, rest))
        settled = await round_that_is(grpc, opened["round_id"], "SETTLED", within_s=BETTING_S + SETTLE_S)
        accounts, transfers = await books.ledger()
        return Story(
            opened=opened,
            settled=settled,
            funds_minor=funds_minor,
            orders=orders,
            first=first,
            twins=twins,
            again=again,
            read_one_by_one=await read_one_by_one(
                rest, people.cashier, [each["request_id"] for each in first if each["verdict"] == "ACCEPTED"]
            ),
            read_by_account=await read_by_account(grpc, people.cashier, list(funds_minor)),
            stored=await books.tickets(int(opened["round_id"])),
            batches=await books.batches(int(opened["round_id"])),
            accounts=accounts,
            transfers=transfers,
            proof=(await rest.call(methods.GET_PROOF, {"round_id": opened["round_id"]}))["proof"],
        )


def orders_from(chance: random.Random, opened: Answer, accounts: Sequence[str]) -> list[Answer]:
    """Orders of one to three lines on any runner, with the price seen on about half of the lines."""
    prices = {each["runner"]: int(each["win_price_hundredths"]) for each in opened["runners"]}

    def line() -> Answer:
        runner = chance.choice(list(prices))
        return win_line(runner, chance.randint(1, STAKE_MAX_MINOR), chance.choice([None, prices[runner]]))

    return [order(chance.choice(accounts), *[line() for _ in range(chance.randint(1, 3))]) for _ in range(TICKETS)]


async def send_at_once(
    token: str, round_id: str, orders: Sequence[Answer], pair: tuple[Door, Door]
) -> tuple[list[Answer], list[Answer]]:
    """Send every order in a call of its own, by turns through the doors of the pair, all at the same time.

    The first TWINS of them are sent through the other door as well. Answers the results of both.
    """
    main = [place(pair[turn % 2], token, round_id, each) for turn, each in enumerate(orders)]
    other = [place(pair[(turn + 1) % 2], token, round_id, each) for turn, each in enumerate(orders[:TWINS])]
    results = [result for [result] in await asyncio.gather(*main, *other)]
    return results[: len(orders)], results[len(orders) :]


async def read_one_by_one(door: Door, token: str, ids: Sequence[str]) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for ticket_id in ids:
        page = await door.call(methods.GET_TICKET, {"ticket_id": ticket_id}, token=token)
        found[ticket_id] = page["ticket"]
    return found


async def read_by_account(door: Door, token: str, accounts: Sequence[str]) -> dict[str, Answer]:
    """All tickets of the accounts, in pages so small that there are several."""
    found: dict[str, Answer] = {}
    for account_id in accounts:
        page_token = ""
        while True:
            fields = {"account_id": account_id, "page_size": 7, "page_token": page_token}
            page = await door.call(methods.LIST_TICKETS, fields, token=token)
            found |= {ticket["ticket_id"]: ticket for ticket in page["tickets"]}
            page_token = page["next_page_token"]
            if not page_token:
                break
    return found


def test_every_order_is_answered_and_only_for_want_of_funds_refused(story: Story) -> None:
    verdicts = Counter(each["verdict"] for each in story.first)

    assert [each["request_id"] for each in story.first] == [each["request_id"] for each in story.orders]
    assert verdicts.keys() == {"ACCEPTED", "INSUFFICIENT_FUNDS"}
    assert verdicts["ACCEPTED"] > TICKETS / 2


def test_an_account_runs_down_to_its_floor_and_no_further(story: Story) -> None:
    poor = [account_id for account_id, funds in story.funds_minor.items() if funds == POOR_MINOR]
    staked = Counter[str]()
    for ticket in story.stored:
        staked[ticket.account_id] += ticket.stake_minor

    assert all(staked[account_id] <= POOR_MINOR for account_id in poor)
    refused = {each["request_id"] for each in story.first if each["verdict"] == "INSUFFICIENT_FUNDS"}
    assert {each["account_id"] for each in story.orders if each["request_id"] in refused} <= set(poor)


def test_acknowledged_is_stored(story: Story) -> None:
    stored = {ticket.ticket_id: ticket for ticket in story.stored}

    assert stored.keys() == story.accepted.keys()
    assert len(stored) == len(story.stored)
    assert story.read_one_by_one.keys() == story.accepted.keys()
    assert story.read_by_account == story.read_one_by_one
    for order_ in story.orders:
        if (ticket := stored.get(order_["request_id"])) is not None:
            assert ticket.account_id == order_["account_id"]
            assert [(list(line.runners), line.stake_minor) for line in ticket.lines] == [
                (line["runners"], int(line["stake_minor"])) for line in order_["lines"]
            ]


def test_a_ticket_keeps_the_price_that_was_offered(story: Story) -> None:
    offered = {each["runner"]: int(each["win_price_hundredths"]) for each in story.opened["runners"]}

    assert all(line.price_hundredths == offered[line.runners[0]] for ticket in story.stored for line in ticket.lines)


def test_every_id_that_is_sent_twice_gets_the_same_answer(story: Story) -> None:
    for first, again in zip(story.first, story.again, strict=True):
        assert again == {**first, "replayed": True}
    for one, other in zip(story.first[:TWINS], story.twins, strict=True):
        assert {**one, "replayed": None} == {**other, "replayed": None}
        assert one["replayed"] != other["replayed"]


def test_money_sums_to_zero_and_no_balance_is_below_its_floor(story: Story) -> None:
    assert ledger.faults(story.accounts, story.transfers) == []


def test_payouts_are_what_an_independent_model_pays(story: Story) -> None:
    paid = {ticket_id: int(ticket["payout_minor"]) for ticket_id, ticket in story.read_one_by_one.items()}
    states = {ticket_id: ticket["state"] for ticket_id, ticket in story.read_one_by_one.items()}

    assert paid == story.owed_minor
    assert any(paid.values()), "a story without a winner proves little: choose another SEED"
    assert states == {ticket_id: "WON" if owed else "LOST" for ticket_id, owed in story.owed_minor.items()}
    assert int(story.settled["payout_minor"]) == sum(paid.values())


def test_every_balance_is_funds_less_stakes_plus_payouts(story: Story) -> None:
    expected = Counter(story.funds_minor)
    for ticket in story.stored:
        expected[ticket.account_id] += story.owed_minor[ticket.ticket_id] - ticket.stake_minor
    balances = {account.account_id: account.balance_minor for account in story.accounts}

    assert {account_id: balances[account_id] for account_id in story.funds_minor} == dict(expected)


def test_the_totals_of_the_round_are_those_of_its_tickets(story: Story) -> None:
    assert story.settled["totals"] == {
        "tickets": str(len(story.stored)),
        "stake_minor": str(sum(ticket.stake_minor for ticket in story.stored)),
    }


def test_the_result_is_recomputed_from_published_data_alone(story: Story, tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    proof.write_text(json.dumps(story.proof))
    verify = ROOT / "client" / "furlong" / "client" / "verify.py"

    done = subprocess.run(
        [sys.executable, "-I", str(verify), str(proof), "--commitment", story.opened["commitment"]],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "proven" in done.stdout
    assert story.proof["result"] == story.settled["result"]
    assert story.proof["tickets_root"] == story.settled["tickets_root"]


def test_the_result_is_what_an_independent_model_draws(story: Story) -> None:
    seed = bytes.fromhex(story.proof["server_seed"])
    weights = [(each["runner"], int(each["weight"])) for each in story.opened["runners"]]
    key = draw.key(
        seed, story.opened["track"], int(story.opened["round_id"]), story.proof["beacon"], story.proof["tickets_root"]
    )

    assert draw.commitment(seed) == story.opened["commitment"]
    assert draw.finishing_order(weights, draw.words(key)) == story.settled["result"]


def test_the_ticket_root_is_what_an_independent_model_computes(story: Story) -> None:
    root = tickets_root.tickets_root(story.batches, int(story.opened["round_id"]))

    assert story.settled["tickets_root"] == root
    assert story.opened["tickets_root"] == ""


def test_the_command_verifies_the_round(stack: LocalStack, story: Story) -> None:
    done = furlong(stack, "verify", story.opened["round_id"])

    assert "proven" in done.stdout


def test_the_race_comes_from_the_imported_cards(story: Story) -> None:
    assert 2 <= len(story.opened["runners"]) <= 40
    assert story.opened["race_name"]
    assert story.opened["result"] == []
    assert sorted(story.settled["result"]) == [each["runner"] for each in story.opened["runners"]]
