"""What games tell each other comes out as it went in, and what cannot be read was missed."""

import pytest
from furlong.cache.v1.topic_service_pb2 import SubscribeResponse
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from services.game.adapters.topics import frame_to, heard_of
from services.game.domain.round import Totals
from services.game.engine.broadcast.presence import TERMINALS_TOLD_MAX
from services.game.engine.broadcast.relay import ACCOUNTS_TOLD_MAX
from services.game.ports import Attendance, Changed, News, Signal, Standing, Terminal, Vacancy
from tests.rounds import RUN_ON, stored_round

STANDING = Standing(track="harbour-mile", round_id=17, totals=Totals(tickets=3, stake_minor=400))
VACANCY = Vacancy(track="harbour-mile")
PAYLOAD_BYTES_MAX = 64 * 1024


def message(payload: bytes) -> SubscribeResponse:
    return SubscribeResponse(kind=SubscribeResponse.MESSAGE, sequence=1, epoch="1", payload=payload)


CHANGED = Changed(track="harbour-mile", game="g", account_ids=("0190d3c5-0000-7000-8000-000000000001",))
ANY_CHANGED = Changed(track="harbour-mile", game="g", account_ids=(), any_account=True)
TERMINAL = Terminal(terminal="till-4", since_ms=1_700_000_000_123, streams=2)
ATTENDANCE = Attendance(track="harbour-mile", game="g", watchers=3, terminals=(TERMINAL,))


@pytest.mark.parametrize(
    "news", [*(stored_round(phase).round for phase in RUN_ON), STANDING, VACANCY, CHANGED, ANY_CHANGED, ATTENDANCE]
)
def test_news_arrive_as_they_were_told(news: News) -> None:
    assert heard_of(message(frame_to(news).SerializeToString())) == news


def test_no_secret_of_a_round_is_told() -> None:
    stored = stored_round(RUN_ON[2])

    payload = frame_to(stored.round).SerializeToString()
    assert stored.server_seed not in payload
    assert len(payload) < PAYLOAD_BYTES_MAX


def test_the_longest_news_fit_a_message() -> None:
    accounts = tuple(f"0190d3c5-0000-7000-8000-{n:012d}" for n in range(ACCOUNTS_TOLD_MAX))
    changed = frame_to(Changed(track="t" * 40, game=accounts[0], account_ids=accounts))
    terminals = tuple(
        Terminal(terminal=f"{n:040d}", since_ms=1_700_000_000_123, streams=10_000) for n in range(TERMINALS_TOLD_MAX)
    )
    present = frame_to(Attendance(track="t" * 40, game=accounts[0], watchers=10_000, terminals=terminals))

    assert len(changed.SerializeToString()) < PAYLOAD_BYTES_MAX
    assert len(present.SerializeToString()) < PAYLOAD_BYTES_MAX


@pytest.mark.parametrize(
    ("event", "signal"),
    [
        (SubscribeResponse(kind=SubscribeResponse.HEARTBEAT, sequence=4, epoch="1"), Signal.ALIVE),
        (SubscribeResponse(kind=SubscribeResponse.GAP, sequence=4, epoch="1"), Signal.MISSED),
        (SubscribeResponse(), Signal.MISSED),
        (message(b"\xff\xff"), Signal.MISSED),
        (message(b""), Signal.MISSED),
    ],
    ids=["heartbeat", "gap", "unknown kind", "garbage", "empty"],
)
def test_what_is_no_news_is_a_signal(event: SubscribeResponse, signal: Signal) -> None:
    assert heard_of(event) is signal


def test_a_race_is_told_by_its_key_and_one_without_it_is_read_in_the_store() -> None:
    told = frame_to(stored_round(RUN_ON[2]).round)
    assert isinstance(told, WatchRoundsResponse)
    assert not told.round.race.runners

    told.round.ClearField("race")  # as a game that knows no races tells it

    assert heard_of(message(told.SerializeToString())) is Signal.MISSED
