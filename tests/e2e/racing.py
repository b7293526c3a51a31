"""The errands that most tests run through a door: make a track, open and fill accounts, find a round, write orders."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from furlong.client import connect, uuid7
from furlong.common.v1.round_pb2 import Program, RaceCard, Runner, Timetable, Track

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.doors import Answer, Door
from tests.e2e.people import People
from tests.e2e.waiting import until

PHASES = ("OPEN", "LOCKED", "RUNNING", "FINISHED", "SETTLED")
TRANSITION_S = 10.0
"""How late a transition may be before a test gives up on it; it includes the recovery of a killed part."""
SETTLE_S = 20.0
FUNDS_MINOR = 1_000_000

FAST = Timetable(betting_window_ms=2_500, lock_ms=100, race_ms=400, finish_ms=300)
"""A whole round in 3.3 s."""
SLOW = Timetable(betting_window_ms=3_600_000, lock_ms=1_000, race_ms=1_000, finish_ms=1_000)
"""A round that stays OPEN for as long as any test runs."""

_turning: list[tuple[LocalStack, str]] = []
"""Tracks that open one round after another, in the order in which they were made."""


CARD = RaceCard(
    name="The Test Stakes",
    distance_m=1_200,
    runners=[
        Runner(runner=number, name=name, weight=weight)
        for number, name, weight in (
            (1, "Ash", 400),
            (2, "Birch", 300),
            (3, "Cedar", 200),
            (4, "Dogwood", 90),
            (5, "Elder", 10),
        )
    ],
)


def fresh_id() -> str:
    """A request id that nobody has used."""
    return uuid7()


def fresh_name(stem: str) -> str:
    """A track name that nobody has used."""
    return f"{stem}-{uuid.uuid4().hex[:8]}"


async def new_track(
    stack: LocalStack,
    stem: str,
    timetable: Timetable,
    *,
    cards: Sequence[RaceCard] = (CARD,),
    name: str | None = None,
    program: Program | None = None,
) -> str:
    """Make a track, of a fresh name unless it is given one. It opens rounds by itself unless it has no card."""
    track = Track(
        track=name or fresh_name(stem), display_name=stem, currency="EUR", timetable=timetable, program=program
    )
    async with connect(stack.addresses.gateway, token=People(stack).operator) as furlong:
        await furlong.tracks.create(track)
        if cards:
            await furlong.tracks.import_race_cards(track.track, cards)
    if timetable != SLOW:
        _turning.append((stack, track.track))
    return track.track


@contextmanager
def only_for_now() -> Iterator[None]:
    """Pause the tracks that are made in the block when it is left: nobody looks, and rounds take the machine's time."""
    before = len(_turning)
    try:
        yield
    finally:
        if over := _turning[before:]:
            del _turning[before:]
            asyncio.run(_pause(over))


async def _pause(tracks: Sequence[tuple[LocalStack, str]]) -> None:
    for stack, track in tracks:
        async with connect(stack.addresses.gateway, token=People(stack).operator) as furlong:
            await furlong.tracks.pause(track, "its test is over")


async def open_account(
    door: Door,
    cashier: str,
    *,
    funds_minor: int = FUNDS_MINOR,
    currency: str = "EUR",
    name: str = "Ann",
) -> str:
    """Open a player's account and put money into it. Answers its id."""
    opened = await door.call(
        methods.CREATE_ACCOUNT,
        {"request_id": fresh_id(), "kind": "PLAYER", "currency": currency, "display_name": name},
        token=cashier,
    )
    account_id: str = opened["account"]["account_id"]
    if funds_minor:
        fields = {
            "request_id": fresh_id(),
            "account_id": account_id,
            "amount_minor": str(funds_minor),
            "reason": "cash at the till",
        }
        await door.call(methods.CREDIT, fields, token=cashier)
    return account_id


async def open_till(door: Door, cashier: str, *, credit_minor: int = FUNDS_MINOR) -> str:
    """Open a till that may owe so much. Answers its id."""
    fields = {
        "request_id": fresh_id(),
        "kind": "CASHIER",
        "currency": "EUR",
        "display_name": "Till",
        "credit_limit_minor": str(credit_minor),
    }
    opened = await door.call(methods.CREATE_ACCOUNT, fields, token=cashier)
    account_id: str = opened["account"]["account_id"]
    return account_id


async def balance_minor(door: Door, token: str, account_id: str) -> int:
    """The balance of an account now."""
    answer = await door.call(methods.GET_ACCOUNT, {"account_id": account_id}, token=token)
    return int(answer["account"]["balance_minor"])


def win_line(runner: int, stake_minor: int, price_hundredths: int | None = None) -> Answer:
    """A WIN bet; without a price it is at the current one."""
    line: Answer = {"market": "WIN", "runners": [runner], "stake_minor": str(stake_minor)}
    if price_hundredths is not None:
        line["price_hundredths"] = str(price_hundredths)
    return line


def order(account_id: str, *lines: Answer, request_id: str | None = None) -> Answer:
    """An order with an id of its own."""
    return {"request_id": request_id or fresh_id(), "account_id": account_id, "lines": list(lines)}


async def place(door: Door, token: str, round_id: str, *orders: Answer) -> list[Answer]:
    """The results of one PlaceTickets call."""
    answer = await door.call(methods.PLACE, {"round_id": round_id, "tickets": list(orders)}, token=token)
    results: list[Answer] = answer["results"]
    return results


async def open_round(door: Door, track: str, *, left_s: float = 1.0) -> Answer:
    """A round of the track that is OPEN and stays so for at least `left_s` more."""

    async def ask() -> Answer | None:
        current = await current_round(door, track)
        if current is None or current["phase"] != "OPEN":
            return None
        return current if moment(current["locks_at"]) - datetime.now(UTC) >= timedelta(seconds=left_s) else None

    return await until(ask, within_s=TRANSITION_S + left_s, what=f"{track} has an OPEN round with {left_s} s left")


async def current_round(door: Door, track: str) -> Answer | None:
    """The latest round of a track; None when it has not opened one yet."""
    page = await door.call(methods.LIST_ROUNDS, {"track": track, "page_size": 1})
    rounds: list[Answer] = page["rounds"]
    return rounds[0] if rounds else None


async def round_that_is(door: Door, round_id: str, *phases: str, within_s: float = TRANSITION_S) -> Answer:
    """The round once it is in one of the phases."""

    async def ask() -> Answer | None:
        found: Answer = (await door.call(methods.GET_ROUND, {"round_id": round_id}))["round"]
        return found if found["phase"] in phases else None

    return await until(ask, within_s=within_s, what=f"round {round_id} is {' or '.join(phases)}")


def moment(timestamp: str) -> datetime:
    """A protobuf timestamp in JSON, which may have nine digits after the point."""
    whole, _, fraction = timestamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole).replace(microsecond=int((fraction + "000000")[:6]), tzinfo=UTC)
