"""The race on the screen is the race that the API publishes."""

from bisect import bisect
from typing import Any

from furlong.client import connect
from furlong.common.v1.round_pb2 import Timetable

from deploy.local.stack import LocalStack
from tests.e2e.doors import GrpcDoor
from tests.e2e.people import People
from tests.e2e.racing import CARD, moment, new_track, open_round, round_that_is
from tests.e2e.web.shop_screen import OpenScreen

SHOWN = Timetable(betting_window_ms=4_000, lock_ms=500, race_ms=12_000, finish_ms=4_000)
CORRECTED = Timetable(betting_window_ms=2_000, lock_ms=500, race_ms=1_000, finish_ms=60_000)
LINE = 100_000
WHOLE_ROUND_S = 30.0
SLOW_S = 1.5
"""How far from the time of its picture a screen on a busy machine may be looked at."""

LOOK = """() => ({
  at: Date.now(),
  state: document.body.dataset.state,
  left: document.getElementById("countdown").textContent,
  details: [...document.querySelectorAll(".step-detail")].map((each) => each.textContent),
})"""


async def test_a_screen_shows_the_published_race_and_its_margins(
    stack: LocalStack, grpc_door: GrpcDoor, open_screen: OpenScreen
) -> None:
    track = await new_track(stack, "run", SHOWN)
    round_id: str = (await open_round(grpc_door, track, left_s=0.5))["round_id"]
    screen = await open_screen(stack.addresses.gateway, track)
    running = await round_that_is(grpc_door, round_id, "RUNNING")
    await screen.until(lambda look: look.round == round_id and look.state == "RACING", "the race")
    seen = await metres_left_over_time(screen)
    await screen.until(
        lambda look: look.round == round_id and look.state == "RESULT", "the result", within_s=WHOLE_ROUND_S
    )
    details = (await screen.page.evaluate(LOOK))["details"]

    assert [each["runner"] for each in running["race"]["runners"]] == running["result"]
    starts_at_s = moment(running["starts_at"]).timestamp()
    for at_s, metres in seen:
        early, late = (metres_left(running["race"], at_s - starts_at_s + off_s) for off_s in (-SLOW_S, SLOW_S))
        assert late - 1 <= metres <= early + 1, (at_s - starts_at_s, metres)
    assert len({metres for _, metres in seen}) > 3, "the race does not move"
    margins = [each["margin_hundredths"] for each in running["race"]["runners"]]
    assert details[1:] == [words(margin) for margin in margins[1:3]]
    assert screen.errors == []


async def test_a_screen_that_is_opened_after_a_correction_shows_the_result_and_no_race(
    stack: LocalStack, people: People, grpc_door: GrpcDoor, open_screen: OpenScreen
) -> None:
    track = await new_track(stack, "corrected", CORRECTED)
    round_id: str = (await open_round(grpc_door, track, left_s=0.5))["round_id"]
    early = await open_screen(stack.addresses.gateway, track)
    settled = await round_that_is(grpc_door, round_id, "SETTLED")
    await early.until(lambda look: look.round == round_id and look.state == "RESULT", "the result")
    right = settled["result"][::-1]
    async with connect(stack.addresses.gateway, token=people.operator) as operator:
        await operator.tracks.correct_result(int(round_id), right, "an objection")
    late = await open_screen(stack.addresses.gateway, track)

    for screen in (early, late):
        look = await screen.until(
            lambda look: look.state == "RESULT" and look.order == right and "Corrected" in look.announced,
            "the corrected result",
        )
        assert (look.stamp, look.board) == ("Result corrected", "Corrected: an objection")
        assert look.announced.startswith(f"Corrected result of round {round_id}: 1st {right[0]}, ")
        details = (await screen.page.evaluate(LOOK))["details"]
        assert details[0].startswith("pays")
        assert details[1:] == ["", ""], "margins are of the race, and this is not its order"
    assert early.errors + late.errors == []


async def metres_left_over_time(screen: Any) -> list[tuple[float, int]]:
    """What the screen says is left to run, with the times at which it said so."""
    seen: list[tuple[float, int]] = []
    while True:
        look = await screen.page.evaluate(LOOK)
        if look["state"] != "RACING" or not look["left"].endswith(" m"):
            return seen
        seen.append((look["at"] / 1_000, int(look["left"].removesuffix(" m"))))
        await screen.page.wait_for_timeout(300)


def metres_left(race: dict[str, Any], after_s: float) -> float:
    """What is left to run for the leader, straight between keyframes."""
    times = [frame * race["interval_ms"] / 1_000 for frame in range(33)]
    lead = [max(each["covered"][frame] for each in race["runners"]) for frame in range(33)]
    at = min(max(bisect(times, after_s), 1), 32)
    share = min(max((after_s - times[at - 1]) / (times[at] - times[at - 1]), 0), 1)
    covered = lead[at - 1] + (lead[at] - lead[at - 1]) * share
    return float(max(0, CARD.distance_m * (1 - covered / LINE)))


def words(hundredths: int) -> str:
    """A margin of those that a small field can have, as the screen says it."""
    return {
        5: "a nose", 10: "a short head", 20: "a head", 30: "a neck", 50: "½ length", 75: "¾ length", 100: "1 length",
        125: "1¼ lengths", 150: "1½ lengths", 175: "1¾ lengths", 200: "2 lengths", 250: "2½ lengths", 300: "3 lengths",
    }[hundredths]  # fmt: skip
