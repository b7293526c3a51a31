"""What docs/fairness.md and docs/race-cards.md show is what happens."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from furlong.client import cards

from services.game.domain.beacon import QUICKNET
from services.game.domain.prices import win_price_hundredths
from services.persist.domain import tickets_root
from services.persist.domain.ticket import Line, Order

ROOT = Path(__file__).parents[3]
VECTORS: dict[str, Any] = json.loads((ROOT / "tests" / "vectors" / "draw.json").read_text())


def blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "docs" / document).read_text(), re.MULTILINE | re.DOTALL)


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    return names


@pytest.fixture
def example() -> cards.CardFile:
    (csv,) = blocks("race-cards.md", "csv")
    return cards.read_cards(csv.encode())


@pytest.mark.parametrize("draw", VECTORS["draws"], ids=lambda draw: draw["name"])
def test_the_draw_on_the_page_gives_the_vectors(draw: dict[str, Any]) -> None:
    page, _, _ = blocks("fairness.md", "python")
    assert run(page)["result"](draw["proof"]) == draw["proof"]["result"]


def test_the_vector_on_the_page_is_the_shared_one() -> None:
    page = (ROOT / "docs" / "fairness.md").read_text()
    draw = next(draw for draw in VECTORS["draws"] if draw["name"] == "the field of the notes")
    proof = draw["proof"]
    for value in (proof["server_seed"], proof["commitment"], proof["tickets_root"], draw["key"], *draw["words"][:5]):
        assert f"`{value}`" in page
    assert f"The result is {'-'.join(map(str, proof['result']))}." in page


def test_the_ticket_root_on_the_page_is_the_one_that_is_fixed_at_the_lock() -> None:
    _, page, _ = blocks("fairness.md", "python")
    names = run(page)

    def order(number: int, *lines: Line) -> Order:
        return Order(
            request_id=f"01976f5e-8c00-7000-8000-00000000000{number}",
            account_id=names["ACCOUNT"],
            lines=lines,
            stake_minor=sum(line.stake_minor for line in lines),
            content_hash=b"",
            refusal=None,
            refusal_reason="",
        )

    def line(runner: int, stake_minor: int, price_hundredths: int) -> Line:
        return Line(market=1, selection=bytes([runner]), stake_minor=stake_minor, price_hundredths=price_hundredths)

    orders = [order(1, line(1, 100, 235)), order(2, line(2, 200, 235)), order(3, line(3, 300, 235), line(5, 50, 1200))]
    leaves = [tickets_root.leaf(each, round_id=17) for each in orders]
    assert tickets_root.root([tickets_root.root(leaves[:2]), tickets_root.root(leaves[2:])]) == names["tickets_root"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8, 9, 100])
def test_the_tree_on_the_page_has_the_shape_of_the_service(count: int) -> None:
    _, page, _ = blocks("fairness.md", "python")
    hashes = [number.to_bytes(32, "big") for number in range(count)]
    assert run(page)["tree"](hashes) == tickets_root.root(hashes)


def test_the_table_of_weights_and_prices_follows_from_the_example(example: cards.CardFile) -> None:
    page = (ROOT / "docs" / "race-cards.md").read_text()
    (card,) = example.cards
    total = sum(runner.weight for runner in card.runners)
    for runner in card.runners:
        hundredths = win_price_hundredths(weight=runner.weight, total_weight=total, return_bps=9_100)
        row = rf"^\| {runner.runner} {runner.name} \| [0-9.]+ \| {runner.weight} \| {hundredths / 100:.2f} \|$"
        assert re.search(row, page, re.MULTILINE), runner.name


def test_the_withdrawn_runner_of_the_example_is_told_as_on_the_page(example: cards.CardFile) -> None:
    page = (ROOT / "docs" / "race-cards.md").read_text()
    (finding,) = example.withdrawn
    assert f"races.csv: {finding}\n" in page


def test_the_page_lists_every_column_and_status() -> None:
    page = (ROOT / "docs" / "race-cards.md").read_text()
    for word in (*cards.COLUMNS_NEEDED, cards.COLUMN_NAME, *cards.STATUSES):
        assert f"`{word}`" in page


def test_the_way_up_on_the_page_is_the_shared_one() -> None:
    _, _, page = blocks("fairness.md", "python")
    names = run(page)
    shared = json.loads((ROOT / "tests" / "vectors" / "ticket.json").read_text())

    assert (names["SECOND"], names["PATH"]) == (shared["ticket_bytes"], shared["proof"]["path"])
    assert names["WANTED"] == shared["proof"]["tickets_root"]


def test_the_beacon_on_the_page_is_the_one_that_is_configured() -> None:
    page = (ROOT / "docs" / "fairness.md").read_text()
    for value in (QUICKNET.chain_hash, QUICKNET.public_key, f"{QUICKNET.genesis_s} s, {QUICKNET.period_s} s"):
        assert value in page
