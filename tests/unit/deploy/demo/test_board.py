"""The board tells every moment of a round in words that people read, whatever the size of the terminal."""

import time

import pytest
from furlong.common.v1.round_pb2 import Round, Runner, Totals
from furlong.common.v1.ticket_pb2 import Ticket, TicketResult
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse
from google.protobuf.json_format import ParseDict
from rich.console import Console

from deploy.local.demo.board import Board
from deploy.local.demo.story import ROUNDS_KEPT, Slip, Story
from tests.model import race as model

NAMES = ("Early Riser", "Late Call", "Third Time")


def frame(phase: "Round.Phase.ValueType", round_id: int = 17) -> WatchRoundsResponse:
    now_ms = time.time_ns() // 1_000_000
    round_ = Round(
        round_id=round_id,
        phase=phase,
        race_name="Maiden Plate",
        distance_m=1_600,
        currency="EUR",
        runners=[
            Runner(runner=number, name=name, win_price_hundredths=235) for number, name in enumerate(NAMES, start=1)
        ],
        result=[2, 1, 3] if phase in (Round.RUNNING, Round.FINISHED, Round.SETTLED) else [],
        totals=Totals(tickets=3, stake_minor=123_456),
        payout_minor=470,
    )
    for number, at in enumerate(("opens_at", "locks_at", "starts_at", "finishes_at", "ends_at")):
        getattr(round_, at).FromMilliseconds(now_ms + 5_000 * number - 12_000)
    if phase == Round.RUNNING:  # which is sent once
        ParseDict(model.race(bytes(32), [2, 1, 3], [], 5_000), round_.race)
    response = WatchRoundsResponse(kind=WatchRoundsResponse.TRANSITION, round=round_)
    response.server_time.FromMilliseconds(now_ms)
    return response


def slip(runner: int, round_id: int = 17, verdict: "TicketResult.Verdict.ValueType" = TicketResult.ACCEPTED) -> Slip:
    return Slip(
        punter="Ada",
        round_id=round_id,
        runner=runner,
        stake_minor=200,
        price_hundredths=235,
        verdict=verdict,
        ticket_id=f"ticket on {runner}",
    )


def drawn(story: Story, width: int = 120, height: int = 34) -> str:
    console = Console(width=width, height=height, color_system=None, force_terminal=True)
    with console.capture() as captured:
        console.print(Board(story, "127.0.0.1:8080", "Harbour Mile"))
    return captured.get()


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        (Round.OPEN, ["bets are open", "locks in", "Early Riser", "2.35", "1,234.56 EUR staked"]),
        (Round.LOCKED, ["no more bets", "off in"]),
        (Round.RUNNING, ["they're off", "finish in", "·"]),
        (Round.FINISHED, ["result", "1st", "2nd", "3rd"]),
        (Round.SETTLED, ["paid", "next race in"]),
        (Round.VOID, ["every stake goes back"]),
    ],
)
def test_each_phase_has_its_words(phase: "Round.Phase.ValueType", words: list[str]) -> None:
    story = Story()
    story.take(frame(phase))

    screen = drawn(story)
    assert [word for word in words if word not in screen] == []


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 12), (200, 60)])
def test_it_fits_every_terminal(width: int, height: int) -> None:
    story = Story()
    story.take(frame(Round.RUNNING))

    assert len(drawn(story, width, height).rstrip("\n").splitlines()) <= height


def test_tickets_are_shown_with_their_answer() -> None:
    story = Story()
    story.take(frame(Round.OPEN))
    story.placed(slip(1))
    story.placed(slip(2, verdict=TicketResult.BETTING_CLOSED))

    screen = drawn(story)
    assert "2.00 EUR @ 2.35" in screen
    assert "betting closed" in screen


def test_whoever_backed_the_winner_is_shown_as_paid() -> None:
    story = Story()
    story.take(frame(Round.OPEN))
    for runner in (1, 2, 3):
        story.placed(slip(runner))
    settled = frame(Round.SETTLED).round

    winning = story.winning(settled)
    assert [each.runner for each in winning] == [2]
    story.settled(settled, [(each, Ticket(payout_minor=470)) for each in winning])
    screen = drawn(story)
    assert "won by Late Call" in screen
    assert "paid 4.70 EUR" in screen


def test_an_older_round_that_is_settled_does_not_replace_the_one_that_is_on() -> None:
    story = Story()
    story.take(frame(Round.OPEN, round_id=18))
    story.take(frame(Round.SETTLED, round_id=17))

    assert story.round is not None
    assert story.round.round_id == 18


def test_the_race_is_kept_through_the_frames_that_do_not_bring_it_again() -> None:
    story = Story()
    story.take(frame(Round.RUNNING))
    story.take(frame(Round.FINISHED))
    lanes = [line for line in drawn(story).splitlines() if "·" * 20 in line]
    story.take(frame(Round.OPEN, round_id=18))

    assert len(lanes) == 3
    assert story.round is not None
    assert not story.round.race.runners


def test_what_is_kept_of_the_past_is_bounded() -> None:
    story = Story()
    for round_id in range(1, 100):
        story.placed(slip(1, round_id))

    kept = [round_id for round_id in range(1, 100) if story.staked_minor(round_id)]
    assert kept == list(range(100 - ROUNDS_KEPT, 100))


def test_before_the_first_frame_it_says_what_it_waits_for() -> None:
    assert "waiting for the first race" in drawn(Story())
