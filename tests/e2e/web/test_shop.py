"""The shop screen in a real browser, over the real stack."""

import asyncio

import pytest
from furlong.client import connect
from furlong.common.v1.round_pb2 import Program, RaceCard, Runner, Source, Timetable
from furlong.common.v1.ticket_pb2 import Line

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.doors import GrpcDoor
from tests.e2e.people import People
from tests.e2e.racing import (
    CARD,
    SLOW,
    fresh_id,
    new_track,
    open_account,
    open_round,
    order,
    place,
    round_that_is,
    win_line,
)
from tests.e2e.waiting import until
from tests.e2e.web.shop_screen import SHOWN_S, Look, OpenScreen

SHOWN = Timetable(betting_window_ms=4_000, lock_ms=500, race_ms=4_000, finish_ms=3_000)
"""Long enough on every screen to be looked at."""
WHOLE_ROUND_S = 30.0
WALLS = ((1920, 1080), (1366, 768))
HANDS = ((390, 844), (844, 390))
"""Windows of phones, in which the page is scrolled; on a wall nobody can."""
WINDOWS = WALLS + HANDS
JOINED = Timetable(betting_window_ms=1_000, lock_ms=500, race_ms=12_000, finish_ms=3_000)
"""A race of which enough is left for a busy machine to open another screen in it and to look at both."""
RACE_M = CARD.distance_m
LATE_M = 50
"""How far apart two screens may be that show one moment: half a second of that race, which is one slow picture."""


@pytest.fixture(scope="session")
def shown_track(stack: LocalStack) -> str:
    return asyncio.run(new_track(stack, "shown", SHOWN))


async def test_a_whole_round_is_shown_and_its_result_is_the_one_of_the_api(
    stack: LocalStack, shown_track: str, people: People, grpc_door: GrpcDoor, open_screen: OpenScreen
) -> None:
    screen = await open_screen(stack.addresses.gateway, shown_track)
    opened = await open_round(grpc_door, shown_track, left_s=3.0)
    round_id: str = opened["round_id"]
    betting = await screen.until(lambda look: look.round == round_id and look.state == "BETTING", "the open round")
    ann = await open_account(grpc_door, people.cashier)
    await place(grpc_door, people.cashier, round_id, *(order(ann, win_line(each, 10_000)) for each in range(1, 6)))
    staked = await screen.until(lambda look: look.stakes == "€500.00", "the stakes that came in")

    await screen.until(lambda look: look.state == "RESULT", "the result", within_s=WHOLE_ROUND_S)
    seen = [look for look in screen.seen if look.round == round_id]
    settled = await round_that_is(grpc_door, round_id, "SETTLED")
    paid = await screen.until(lambda look: "paid out" in look.note, "what was paid")

    assert betting.heading == "The Test Stakes"
    assert betting.order == [1, 2, 3, 4, 5]
    assert staked.tickets == "5"
    assert list(dict.fromkeys(look.screen for look in seen)) == ["GAME", "MOVIE", "FINISH"]
    assert list(dict.fromkeys(look.state for look in seen)) == ["BETTING", "CLOSED", "RACING", "RESULT"]
    assert len({look.countdown for look in seen if look.state == "RACING"}) > 2, "the race does not move"
    assert paid.order == settled["result"]
    assert paid.places == ["1st", "2nd", "3rd", "4th", "5th"]
    assert paid.prices == [price_of(opened, runner) for runner in settled["result"]]
    assert paid.note == f"€{int(settled['payout_minor']) / 100:,.2f} paid out"
    assert f"1st {settled['result'][0]}, {name_of(settled['result'][0])}" in paid.announced
    assert screen.errors == []


async def test_a_screen_that_is_opened_in_the_race_shows_the_moment_that_the_others_show(
    stack: LocalStack, open_screen: OpenScreen
) -> None:
    track = await new_track(stack, "joined", JOINED)
    first = await open_screen(stack.addresses.gateway, track)
    running = await first.until(
        lambda look: look.state == "RACING" and metres_left(look) < 0.85 * RACE_M, "the race", within_s=WHOLE_ROUND_S
    )
    second = await open_screen(stack.addresses.gateway, track)
    opened = await second.until(lambda look: look.state == "RACING", "the race")

    async def together() -> bool:
        """Whether the look at the new screen is between those at the old one, before and after.

        Its first picture may be late by as much as a busy machine held up what it was told; a race that began anew
        would never come so close.
        """
        before, joined, after = [await screen.look() for screen in (first, second, first)]
        assert {look.state for look in (before, joined, after)} == {"RACING"}, "the race was over first"
        return metres_left(after) - LATE_M <= metres_left(joined) <= metres_left(before) + LATE_M

    assert opened.round == running.round
    await until(together, within_s=SHOWN_S, what="both screens show one moment")
    done = await second.until(lambda look: look.state == "RESULT", "the result")
    assert done.order == (await first.until(lambda look: look.state == "RESULT", "the result")).order
    assert first.errors + second.errors == []


async def test_another_track_is_picked_by_hand_and_the_way_back_leads_back(
    stack: LocalStack, shown_track: str, steady_track: str, open_screen: OpenScreen
) -> None:
    screen = await open_screen(stack.addresses.gateway, steady_track)
    first = await screen.until(lambda look: look.state == "BETTING", "the round of the one track")

    await screen.page.click(f'a[href="?track={shown_track}"]')
    await screen.until(lambda look: look.round not in ("", first.round), "a round of the other track")
    await screen.page.wait_for_selector(f'a[href="?track={shown_track}"][aria-current="page"]')
    assert screen.page.url.endswith(f"?track={shown_track}")

    await screen.page.go_back()
    await screen.page.wait_for_selector(f'a[href="?track={steady_track}"][aria-current="page"]')
    await screen.until(lambda look: look.round == first.round, "the round of the one track again")
    assert screen.errors == []


async def test_prices_that_move_are_shown_on_the_board(
    stack: LocalStack, people: People, grpc_door: GrpcDoor, open_screen: OpenScreen
) -> None:
    track = await new_track(stack, "moving", SLOW, program=Program(source=Source.ENTERED))
    opened = await open_round(grpc_door, track)
    screen = await open_screen(stack.addresses.gateway, track)
    before = await screen.until(lambda look: look.round == opened["round_id"], "the round")
    fields = {
        "request_id": fresh_id(),
        "round_id": opened["round_id"],
        "prices": [{"market": "WIN", "runner": 2, "price_hundredths": "875"}],
        "reason": "money for Birch",
    }
    await grpc_door.call(methods.SET_PRICES, fields, token=people.operator)
    after = await screen.until(lambda look: look.prices[1] == "8.75", "the new price")

    assert before.prices == [price_of(opened, runner) for runner in range(1, 6)]
    assert after.prices == [before.prices[0], "8.75", *before.prices[2:]]
    assert screen.errors == []


async def test_what_the_house_suspends_is_told_where_the_prices_stand(
    stack: LocalStack, people: People, grpc_door: GrpcDoor, open_screen: OpenScreen
) -> None:
    card = card_of(8)
    track = await new_track(stack, "stopped", SLOW, cards=[card])
    await open_round(grpc_door, track)
    screen = await open_screen(stack.addresses.gateway, track)
    before = await screen.until(lambda look: look.state == "BETTING" and look.presence != "", "the round")
    async with connect(stack.addresses.gateway, token=people.operator) as operator:
        await operator.tracks.suspend_selling(track, "a loose horse", runner=3)
        await operator.tracks.suspend_selling(track, "too few runners", market=Line.PLACE)
        part = await screen.until(lambda look: look.remarks[2] == "Suspended", "the suspended runner")
        await operator.tracks.resume_selling(track, "caught", runner=3)
        await operator.tracks.suspend(track, "fog")
        whole = await screen.until(lambda look: look.stamp == "Betting suspended", "that betting is suspended")
        after = await screen.until(lambda look: look.remarks[2] == "", "that the runner is back")

    assert (before.stamp, before.board, before.presence) == ("Betting open", "Win · Place", "1 watching")
    assert part.board == "Win · Place (suspended)"
    assert [remark for remark in part.remarks if remark] == ["Suspended"]
    assert (whole.note, whole.state) == ("No bets are taken now", "BETTING")
    assert whole.announced == f"Betting on round {whole.round} is suspended."
    assert after.prices == before.prices
    assert screen.errors == []


async def test_a_track_that_is_paused_promises_no_next_race(
    stack: LocalStack, people: People, grpc_door: GrpcDoor, open_screen: OpenScreen
) -> None:
    track = await new_track(stack, "paused", SHOWN)
    await open_round(grpc_door, track, left_s=1.0)
    async with connect(stack.addresses.gateway, token=people.operator) as operator:
        await operator.tracks.pause(track, "the evening")
    screen = await open_screen(stack.addresses.gateway, track)
    result = await screen.until(lambda look: look.state == "RESULT", "the result", within_s=WHOLE_ROUND_S)
    await screen.until(lambda look: look.countdown == "later", "that the next race comes later")

    assert result.stamp == "Photo finish"
    assert screen.errors == []


async def test_a_track_without_a_round_is_waited_for(
    stack: LocalStack, shown_track: str, bare_track: str, open_screen: OpenScreen
) -> None:
    screen = await open_screen(stack.addresses.gateway, shown_track)
    await screen.until(lambda look: look.round != "", "a round")

    await screen.page.click(f'a[href="?track={bare_track}"]')
    waiting = await screen.until(lambda look: look.state == "WAITING", "that there is no round")

    assert (waiting.round, waiting.order, waiting.stakes, waiting.connection) == ("", [], "", "connecting")
    assert screen.errors == []


@pytest.mark.parametrize("runners", [5, 14, 40])
async def test_everything_fits_the_window(stack: LocalStack, open_screen: OpenScreen, runners: int) -> None:
    track = await new_track(stack, f"fits-{runners}", SHOWN, cards=[card_of(runners)])
    screen = await open_screen(stack.addresses.gateway, track, calm=True)
    for state in ("BETTING", "RACING", "RESULT"):
        await screen.page.wait_for_selector(f"body[data-state={state}]", timeout=WHOLE_ROUND_S * 1_000)
        for width, height in WINDOWS:
            await screen.page.set_viewport_size({"width": width, "height": height})
            wider, higher = await screen.overflow()
            assert wider == 0, (state, width, height)
            assert higher == 0 or (width, height) in HANDS, (state, width, height)
    assert screen.errors == []


def card_of(runners: int) -> RaceCard:
    return RaceCard(
        name="A Race With a Long Name, So Long That It Needs the Whole Width of a Screen",
        distance_m=2_400,
        runners=[
            Runner(runner=number, name=f"The Horse With the Longest Name of Them All {number}", weight=100 + number)
            for number in range(1, runners + 1)
        ],
    )


def metres_left(look: Look) -> int:
    """What the screen says is left to run; nothing once the leader is home."""
    return 0 if look.countdown == "Finish" else int(look.countdown.removesuffix(" m"))


def name_of(runner: int) -> str:
    return next(each.name for each in CARD.runners if each.runner == runner)


def price_of(a_round: dict[str, object], runner: int) -> str:
    """The price as it is written on the board."""
    runners = a_round["runners"]
    assert isinstance(runners, list)
    hundredths = next(int(each["win_price_hundredths"]) for each in runners if each["runner"] == runner)
    return str(hundredths // 100) if hundredths >= 10_000 else f"{hundredths / 100:.2f}"
