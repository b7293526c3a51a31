"""Frames of kind OWN on a terminal and in a pipe: the watcher's tickets beside the round, never in its place."""

from furlong.client.cli.watch import Latest
from furlong.client.cli.watch_view import lines
from furlong.common.v1.round_pb2 import Round
from furlong.common.v1.ticket_pb2 import Ticket
from furlong.game.v1.round_service_pb2 import OwnTickets, WatchRoundsResponse
from rich.console import Console

TICKET = Ticket(
    ticket_id="0190d3c5-0000-7000-8000-000000000001",
    round_id=17,
    state=Ticket.WON,
    stake_minor=500,
    payout_minor=1_175,
    currency="EUR",
)
OWN = WatchRoundsResponse(kind=WatchRoundsResponse.OWN, own=OwnTickets(account_id="a", tickets=[TICKET]))


def test_a_ticket_is_a_line_with_its_state_and_what_came_back() -> None:
    (line,) = lines(OWN)

    assert f"round 17  ticket {TICKET.ticket_id}  WON" in line
    assert "5.00" in line
    assert "11.75" in line


def test_the_screen_shows_the_round_with_the_tickets_below() -> None:
    latest = Latest(lambda: 0)
    latest.take(WatchRoundsResponse(kind=WatchRoundsResponse.UPDATE, round=Round(round_id=17, track="harbour-mile")))
    latest.take(OWN)
    console = Console(width=140)
    with console.capture() as captured:
        console.print(latest.screen())

    assert "harbour-mile" in captured.get()
    assert TICKET.ticket_id in captured.get()
