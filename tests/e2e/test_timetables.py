"""Tracks with times of their own, and settings that change while a track runs."""

from typing import Any

from furlong.client import connect
from furlong.common.v1.round_pb2 import Program, Track

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.doors import Answer, Door, RestDoor
from tests.e2e.people import People
from tests.e2e.racing import CARD, FAST, current_round, fresh_id, fresh_name, moment, new_track, open_round
from tests.e2e.waiting import until

EVERY_MS = 4_000


def off_ms(round_: Answer) -> int:
    return round(moment(round_["locks_at"]).timestamp() * 1_000)


async def next_rounds(door: Door, track: str, count: int) -> list[Answer]:
    """The next rounds of a track that open from now on."""
    seen: dict[str, Answer] = {}

    async def ask() -> bool:
        round_ = await current_round(door, track)
        if round_ is not None:
            seen.setdefault(round_["round_id"], round_)
        return len(seen) > count

    await until(ask, within_s=30 + count * EVERY_MS / 1_000, what=f"{track} opens {count} rounds")
    return [seen[round_id] for round_id in sorted(seen, key=int)][1:]


async def test_rounds_lock_at_the_multiples_that_the_program_says(
    stack: LocalStack, rest_door: RestDoor, people: People
) -> None:
    program = Program(every_ms=EVERY_MS)
    track = Track(track=fresh_name("timed"), display_name="Timed", currency="EUR", timetable=FAST, program=program)
    async with connect(stack.addresses.gateway, token=people.operator) as furlong:
        made = await furlong.tracks.create(track)
        await furlong.tracks.import_race_cards(track.track, [CARD])
        offs = [off_ms(round_) for round_ in await next_rounds(rest_door, track.track, 3)]
        await furlong.tracks.pause(track.track, "its test is over")

    assert made.program == Program(source=made.program.source, every_ms=EVERY_MS)
    assert [off % EVERY_MS for off in offs] == [0, 0, 0]
    assert offs == sorted(set(offs))


async def test_settings_hold_from_the_next_round_on(stack: LocalStack, rest_door: RestDoor, people: People) -> None:
    track = await new_track(stack, "changing", FAST)
    before = await open_round(rest_door, track)
    change: dict[str, Any] = {
        "request_id": fresh_id(),
        "track": track,
        "display_name": "Changed",
        "return_bps": 8_000,
        "limits": {"stake_min_minor": "5", "stake_max_minor": "50"},
        "reason": "summer",
    }
    changed = (await rest_door.call(methods.UPDATE_TRACK, change, token=people.operator))["track"]
    again = (await rest_door.call(methods.UPDATE_TRACK, change, token=people.operator))["track"]
    (after, *_) = await next_rounds(rest_door, track, 1)

    assert again == changed
    assert (changed["display_name"], changed["return_bps"]) == ("Changed", 8_000)
    assert changed["timetable"]["betting_window_ms"] == str(FAST.betting_window_ms)
    assert (before["return_bps"], after["return_bps"]) == (9_100, 8_000)
    assert (after["limits"]["stake_min_minor"], after["limits"]["stake_max_minor"]) == ("5", "50")
    shown = (await rest_door.call(methods.GET_TRACK, {"track": track}))["track"]
    assert shown == changed
