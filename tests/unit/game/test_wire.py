"""The game's values and the wire agree on every number, and nothing secret gets onto it."""

from dataclasses import replace
from enum import IntEnum

import pytest
from furlong.common.v1 import round_pb2, ticket_pb2
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse
from google.protobuf.json_format import MessageToJson
from google.protobuf.timestamp_pb2 import Timestamp

from services.game.domain.order import Line, Market, Verdict
from services.game.domain.phase import Phase
from services.game.domain.proof import Trust
from services.game.domain.race import run
from services.game.domain.screen import Screen
from services.game.domain.track import Part, Program, Suspension
from services.game.engine.broadcast.frame import Frame, Kind
from services.game.service.frames import encode
from services.game.wire import (
    card_of,
    card_to,
    line_of,
    line_to,
    ms_of,
    ms_to,
    race_to,
    round_of,
    round_with_race_to,
    track_of,
    track_to,
)
from tests.rounds import CARD, SEED, TRACK, stored_round

RACE_BYTES_MAX = 5_000


@pytest.mark.parametrize(
    ("ours", "wire", "zero"),
    [
        (Phase, round_pb2.Round.Phase, "PHASE_UNSPECIFIED"),
        (Screen, round_pb2.Round.Screen, "SCREEN_UNSPECIFIED"),
        (Trust, round_pb2.RoundProof.Trust, "TRUST_UNSPECIFIED"),
        (Market, ticket_pb2.Line.Market, "MARKET_UNSPECIFIED"),
        (Verdict, ticket_pb2.TicketResult.Verdict, "VERDICT_UNSPECIFIED"),
        (Kind, WatchRoundsResponse.Kind, "KIND_UNSPECIFIED"),
    ],
)
def test_every_number_means_the_same_on_both_sides(
    ours: type[IntEnum], wire: type[ticket_pb2.Line.Market], zero: str
) -> None:
    own = {member.name: member.value for member in ours if member.value != 0}

    assert own == {name: number for name, number in wire.items() if name != zero}


@pytest.mark.parametrize("phase", list(Phase))
def test_a_round_comes_back_from_the_wire_as_it_went(phase: Phase) -> None:
    round_ = stored_round(phase).round

    assert round_of(round_with_race_to(round_)) == round_


def test_tracks_cards_and_lines_come_back_from_the_wire_as_they_went() -> None:
    line = Line(market=-3, runners=(1, 40), stake_minor=-5, price_hundredths=0)

    assert track_of(track_to(TRACK)) == TRACK
    parts = (Part(market=2), Part(runner=4), Part(terminal="till-3"))
    suspended = [Suspension(part=part, round_id=part.runner, reason="lame", since_ms=1_700_000) for part in parts]
    program = Program(every_ms=60_000, off_times_s=(1, 2), time_zone="Europe/London", place_return_bps=8_000)
    full = replace(TRACK, suspended=tuple(suspended), program=program)
    assert track_of(track_to(full)) == full
    assert card_of(card_to(CARD)) == CARD
    assert line_of(line_to(line)) == line


@pytest.mark.parametrize(
    ("seconds", "nanos", "at_ms"),
    [(1, 0, 1_000), (1, 1, 1_001), (1, 999_999, 1_001), (1, 1_000_000, 1_001), (1, 999_999_999, 2_000)],
)
def test_times_are_rounded_up_so_that_nobody_comes_too_early(seconds: int, nanos: int, at_ms: int) -> None:
    assert ms_of(Timestamp(seconds=seconds, nanos=nanos)) == at_ms
    assert ms_of(ms_to(at_ms)) == at_ms


@pytest.mark.parametrize(
    ("phase", "screen"),
    [("OPEN", "GAME"), ("LOCKED", "GAME"), ("RUNNING", "MOVIE"), ("FINISHED", "FINISH"), ("SETTLED", "FINISH")],
)
def test_a_frame_shows_the_screen_and_never_the_seed(phase: str, screen: str) -> None:
    round_ = stored_round(Phase[phase]).round
    frame = encode(Frame(kind=Kind.UPDATE, round=round_, transition_seq=9, made_at_ms=1_500))
    shown = WatchRoundsResponse.FromString(frame)

    assert shown.round.screen == round_pb2.Round.Screen.Value(screen)
    assert (shown.transition_seq, shown.server_time.ToMilliseconds()) == (9, 1_500)
    assert SEED.hex() not in MessageToJson(shown)
    assert SEED not in frame


@pytest.mark.parametrize(
    ("kind", "phase", "has_race"),
    [
        (Kind.TRANSITION, Phase.OPEN, False),
        (Kind.TRANSITION, Phase.LOCKED, False),
        (Kind.TRANSITION, Phase.RUNNING, True),
        (Kind.TRANSITION, Phase.FINISHED, False),
        (Kind.TRANSITION, Phase.SETTLED, False),
        (Kind.TRANSITION, Phase.VOID, False),
        (Kind.UPDATE, Phase.OPEN, False),
        (Kind.UPDATE, Phase.LOCKED, False),
        (Kind.UPDATE, Phase.RUNNING, True),
        (Kind.UPDATE, Phase.FINISHED, True),
        (Kind.UPDATE, Phase.SETTLED, True),
        (Kind.UPDATE, Phase.VOID, False),
        (Kind.GAP, Phase.LOCKED, False),
        (Kind.GAP, Phase.RUNNING, True),
        (Kind.TICK, Phase.RUNNING, False),
        (Kind.TICK, Phase.FINISHED, False),
    ],
)
def test_the_race_comes_once_and_never_before_it_starts(kind: Kind, phase: Phase, has_race: bool) -> None:
    frame = encode(Frame(kind=kind, round=stored_round(phase).round, transition_seq=9, made_at_ms=1_500))
    shown = WatchRoundsResponse.FromString(frame).round

    assert shown.HasField("race") == has_race
    if has_race:
        assert [runner.runner for runner in shown.race.runners] == list(shown.result)


def test_the_race_of_the_largest_field_is_a_few_kilobytes() -> None:
    race = run(key=SEED, result=tuple(range(1, 41)), positions=(), race_ms=600_000)

    assert race_to(race).ByteSize() <= RACE_BYTES_MAX


def test_no_race_of_a_round_that_is_still_open_can_be_written() -> None:
    for phase in (Phase.OPEN, Phase.LOCKED, Phase.VOID):
        assert not round_with_race_to(stored_round(phase).round).HasField("race")
