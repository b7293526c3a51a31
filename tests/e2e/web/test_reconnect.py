"""A shop screen whose gateway goes away and comes back."""

from furlong.common.v1.round_pb2 import Timetable

from tests.e2e.private_stack import PrivateStack
from tests.e2e.racing import new_track
from tests.e2e.web.shop_screen import OpenScreen

SHOWN = Timetable(betting_window_ms=5_000, lock_ms=500, race_ms=2_500, finish_ms=2_000)
NEXT_ROUND_S = 40.0


async def test_a_screen_says_that_it_lost_its_connection_counts_on_and_finds_back(
    own: PrivateStack, open_screen: OpenScreen
) -> None:
    track = await new_track(own.stack, "lost", SHOWN)
    screen = await open_screen(own.gateway, track, calm=True)
    before = await screen.until(
        lambda look: look.state == "BETTING" and look.countdown > "0:02" and look.connection == "live", "an open round"
    )

    await own.kill("gateway")
    lost = await screen.until(lambda look: look.connection == "waiting", "that there is no connection")
    await screen.until(lambda look: look.state == "CLOSED", "that betting is closed, which the clock alone tells")
    still = await screen.look()
    await own.start("gateway")
    back = await screen.until(lambda look: look.connection == "live", "that it is live again")
    result = await screen.until(
        lambda look: look.state == "RESULT" and int(look.round) > int(before.round),
        "the result of a later round",
        within_s=NEXT_ROUND_S,
    )

    assert (lost.round, still.round) == (before.round, before.round)
    assert int(back.round) >= int(before.round)
    assert sorted(result.order) == [1, 2, 3, 4, 5]
    assert all("ERR_" in error or "503" in error for error in screen.errors), screen.errors


async def test_a_screen_that_is_opened_before_the_services_are_there_finds_them(
    own: PrivateStack, open_screen: OpenScreen
) -> None:
    track = await new_track(own.stack, "early", SHOWN)
    await own.kill("game")
    screen = await open_screen(own.gateway, track, calm=True)
    await screen.until(lambda look: look.connection == "waiting", "that there is no connection")

    await own.start("game")

    await screen.until(lambda look: look.connection == "live" and look.round != "", "a round", within_s=NEXT_ROUND_S)
