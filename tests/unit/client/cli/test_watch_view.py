"""A round on the screen and in lines, phase by phase."""

import io
from datetime import datetime
from typing import Any

import pytest
from furlong.client.cli.watch import Latest, Lines
from furlong.client.cli.watch_view import lines, screen
from furlong.common.v1.round_pb2 import Round, Runner, Source, Totals
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

OPENED_MS = 1_780_000_000_000
LOCKS_MS, STARTS_MS, FINISHES_MS, ENDS_MS = (OPENED_MS + add for add in (30_000, 31_000, 46_000, 52_000))


def at(time_ms: int) -> Timestamp:
    return Timestamp(seconds=time_ms // 1000, nanos=time_ms % 1000 * 1_000_000)


def a_round(phase: Round.Phase.ValueType = Round.OPEN, result: tuple[int, ...] = ()) -> Round:
    return Round(
        round_id=17,
        track="harbour-mile",
        phase=phase,
        opens_at=at(OPENED_MS),
        locks_at=at(LOCKS_MS),
        starts_at=at(STARTS_MS),
        finishes_at=at(FINISHES_MS),
        ends_at=at(ENDS_MS),
        runners=[
            Runner(runner=1, name="Copper Lantern", weight=250, win_price_hundredths=364),
            Runner(runner=3, name="[red]Quiet Thunder", weight=750, win_price_hundredths=121),
        ],
        commitment="c0" * 32,
        result=result,
        totals=Totals(tickets=2, stake_minor=1_500),
        currency="EUR",
        race_name="Saltmarsh Quay 2026-05-02 race 1",
        distance_m=1000,
        payout_minor=1_210,
        void_reason="the beacon was silent",
    )


def drawn(round_: Round, now_ms: int) -> str:
    out = io.StringIO()
    Console(file=out, width=110).print(screen(round_, now_ms))
    return out.getvalue()


@pytest.mark.parametrize(
    ("phase", "now_ms", "told"),
    [
        (Round.OPEN,     OPENED_MS,           "betting closes in 0:30"),
        (Round.OPEN,     LOCKS_MS - 1,        "betting closes in 0:01"),
        (Round.OPEN,     LOCKS_MS + 500,      "betting closes in 0:00"),
        (Round.OPEN,     LOCKS_MS + 2_000,    "waiting for the service"),
        (Round.LOCKED,   LOCKS_MS,            "race starts in 0:01"),
        (Round.RUNNING,  STARTS_MS,           "race ends in 0:15"),
        (Round.FINISHED, FINISHES_MS,         "next round in 0:06"),
        (Round.SETTLED,  ENDS_MS - 90_000,    "next round in 1:30"),
        (Round.VOID,     LOCKS_MS,            "next round in 0:22"),
        (Round.SETTLED,  ENDS_MS + 2_000,     "waiting for the next round"),
        (Round.FINISHED, ENDS_MS + 2_000,     "waiting for the service"),
    ],
)  # fmt: skip
def test_the_countdown_runs_to_the_next_transition(phase: Round.Phase.ValueType, now_ms: int, told: str) -> None:
    text = drawn(a_round(phase, (3, 1)), now_ms)
    assert told in text
    assert Round.Phase.Name(phase) in text


def test_an_open_round_shows_runners_prices_totals_and_the_commitment() -> None:
    text = drawn(a_round(), OPENED_MS)
    for part in ("harbour-mile", "round 17", "1000 m", "Copper Lantern", "25.0 %", "3.64", "[red]Quiet Thunder"):
        assert part in text
    assert "2 tickets, 15.00 EUR staked" in text
    assert "c0" * 32 in text


def test_the_result_is_not_told_while_the_race_is_on() -> None:
    assert "result" not in drawn(a_round(Round.RUNNING, (3, 1)), STARTS_MS)


def test_a_finished_round_tells_the_result_and_how_to_verify_it() -> None:
    text = drawn(a_round(Round.FINISHED, (3, 1)), FINISHES_MS)
    assert "result 3-1: [red]Quiet Thunder wins at 1.21" in text
    assert "12.10 EUR paid" in text
    assert "prove it with: furlong verify 17" in text
    assert "c0" * 32 in text


def test_a_void_round_says_why() -> None:
    assert "void, every stake goes back: the beacon was silent" in drawn(a_round(Round.VOID), LOCKS_MS)


def test_the_countdown_runs_on_the_clock_of_the_service() -> None:
    now_ms = 5_000
    latest = Latest(lambda: now_ms)
    latest.take(WatchRoundsResponse(round=a_round(), server_time=at(OPENED_MS)))
    now_ms += 10_000
    out = io.StringIO()
    Console(file=out, width=110).print(latest.screen())
    assert "betting closes in 0:20" in out.getvalue()


def test_a_round_that_is_corrected_stands_below_the_one_that_is_on_and_never_in_its_place() -> None:
    latest = Latest(lambda: OPENED_MS)
    shown, corrected = a_round(), a_round(Round.SETTLED, (1, 3))
    shown.round_id, corrected.correction_reason = 18, "an objection"
    for round_ in (shown, corrected):
        latest.take(WatchRoundsResponse(round=round_, server_time=at(OPENED_MS), kind=WatchRoundsResponse.TRANSITION))
    out = io.StringIO()
    Console(file=out, width=110).print(latest.screen())
    above, below = out.getvalue().split("commitment")
    assert "round 18" in above
    assert "round 17  SETTLED  result 1-3: Copper Lantern wins at 3.64 (corrected: an objection)" in below


def test_a_gap_shows_the_round_as_it_is_even_where_the_count_began_anew() -> None:
    latest = Latest(lambda: OPENED_MS)
    before = a_round()
    before.round_id = 90
    latest.take(WatchRoundsResponse(round=before, server_time=at(OPENED_MS)))
    latest.take(WatchRoundsResponse(round=a_round(), server_time=at(OPENED_MS), kind=WatchRoundsResponse.GAP))
    out = io.StringIO()
    Console(file=out, width=110).print(latest.screen())
    assert "round 17" in out.getvalue()
    assert "round 90" not in out.getvalue()


def test_a_frame_is_a_line_with_its_time_phase_and_totals() -> None:
    first, *more = lines(
        WatchRoundsResponse(round=a_round(), server_time=at(OPENED_MS), kind=WatchRoundsResponse.TRANSITION)
    )
    times = [datetime.fromtimestamp(ms // 1000).astimezone().strftime("%H:%M:%S") for ms in (OPENED_MS, LOCKS_MS)]
    assert first == f"{times[0]}  round 17  OPEN      betting closes at {times[1]}, 2 tickets, 15.00 EUR"
    assert [line.split() for line in more[1:]] == [
        ["1", "3.64", "Copper", "Lantern"],
        ["3", "1.21", "[red]Quiet", "Thunder"],
    ]


def test_prices_to_place_stand_beside_those_to_win_where_there_are_any() -> None:
    round_ = a_round()
    round_.runners[0].place_price_hundredths = 162
    _, _, first, second = lines(
        WatchRoundsResponse(round=round_, server_time=at(OPENED_MS), kind=WatchRoundsResponse.TRANSITION)
    )
    assert first.split() == ["1", "3.64", "/", "1.62", "Copper", "Lantern"]
    assert second.split() == ["3", "1.21", "[red]Quiet", "Thunder"]
    assert "1.62" in drawn(round_, OPENED_MS)


def test_new_totals_are_one_line_and_new_prices_are_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    printing = Lines()
    told = []
    for price_revision in (0, 0, 1, 1):
        round_ = a_round()
        round_.price_revision = price_revision
        frame = WatchRoundsResponse(round=round_, server_time=at(OPENED_MS), kind=WatchRoundsResponse.UPDATE)
        printing.echo(frame)
        told.append(capsys.readouterr().out.count("\n"))
    assert told == [4, 1, 4, 1]


@pytest.mark.parametrize(
    ("phase", "told"),
    [
        (Round.FINISHED, "result 3-1: [red]Quiet Thunder wins at 1.21"),
        (Round.VOID, "every stake goes back: the beacon was silent"),
    ],
)
def test_the_end_of_a_round_is_a_line_of_its_own(phase: Round.Phase.ValueType, told: str) -> None:
    frame = WatchRoundsResponse(round=a_round(phase, (3, 1)), server_time=at(ENDS_MS), kind=WatchRoundsResponse.GAP)
    first, second = lines(frame)
    assert "(transitions were missed)" in first
    assert second.strip() == told


def an_entered_round(phase: Round.Phase.ValueType, **fields: Any) -> Round:
    made = a_round(phase)
    made.terms.source = Source.ENTERED
    made.MergeFrom(Round(**fields))
    return made


def test_a_round_whose_result_is_entered_says_that_it_is_awaited() -> None:
    locked = an_entered_round(Round.LOCKED)
    assert "race starts in 0:01" in drawn(locked, LOCKS_MS)
    assert "the result is awaited" in drawn(locked, STARTS_MS + 3_600_000)
    frame = WatchRoundsResponse(round=locked, server_time=at(LOCKS_MS), kind=WatchRoundsResponse.TRANSITION)
    [line] = lines(frame)
    assert "LOCKED    race starts when its result is entered, 2 tickets" in line


def test_a_dead_heat_and_a_withdrawn_runner_are_told_and_nothing_is_said_to_be_proved() -> None:
    text = drawn(an_entered_round(Round.SETTLED, result=(3, 1), positions=(1, 1)), ENDS_MS)
    assert "result 3=1: dead heat of [red]Quiet Thunder at 1.21 and Copper Lantern at 3.64" in text
    assert "entered, not drawn" in text
    assert "furlong verify" not in text
    alone = drawn(an_entered_round(Round.SETTLED, result=(3,), withdrawn=(1,)), ENDS_MS)
    assert "result 3, withdrawn: 1: [red]Quiet Thunder wins" in alone
    assert "withdrawn" in alone.split("Copper Lantern")[1].splitlines()[0]
