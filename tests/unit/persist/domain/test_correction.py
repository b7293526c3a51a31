"""What a correction takes back and pays, ticket by ticket."""

import pytest

from services.persist.domain.correction import Affected, Move, reversals, right_prizes
from services.persist.domain.ticket import EventKind


def affected(ticket_id: str, account_id: str, prize: str, held: int, paid: int = 0, expired: int = 0) -> Affected:
    return Affected(
        ticket_id=ticket_id,
        account_id=account_id,
        at_a_till=account_id == "till",
        prize_minor=None if prize == "-" else int(prize),
        held_minor=held,
        paid_minor=paid,
        expired_minor=expired,
    )


def told(*moves: Move) -> tuple[int, int, str]:
    """What moves of one ticket come to: given back, got, and the event that tells of it."""
    events = [f"{move.event[0].name} {move.event[1]}" for move in moves if move.event is not None]
    assert len(events) <= 1, "a ticket becomes one thing"
    return sum(move.reversal_minor for move in moves), sum(move.prize_minor for move in moves), "".join(events)


@pytest.mark.parametrize(
    ("prize", "held", "spare", "reversal", "paid", "event"),
    [
        # has lost after all
        ("-",   235, 1_000, 235, 0,   "REVERSED 235"),
        ("-",   235, 235,   235, 0,   "REVERSED 235"),
        ("-",   235, 100,   100, 0,   "REVERSED 100"),
        ("-",   235, 0,     0,   0,   "REVERSED 0"),
        ("-",   0,   50,    0,   0,   "REVERSED 0"),
        # has won after all
        ("410", 0,   0,     0,   410, "WON 410"),
        ("0",   0,   0,     0,   0,   "WON 0"),
        # wins something else: the right prize comes first
        ("410", 235, 0,     235, 410, "WON 410"),
        ("100", 235, 0,     100, 100, "WON 100"),
        ("100", 235, 135,   235, 100, "WON 100"),
    ],
)  # fmt: skip
def test_a_player_gives_back_as_much_as_the_account_has(
    prize: str, held: int, spare: int, reversal: int, paid: int, event: str
) -> None:
    ticket = affected("t", "ann", prize, held)
    made = [*right_prizes([ticket]), *reversals([ticket], {"ann": spare + (ticket.prize_minor or 0)})]

    assert told(*made) == (reversal, paid, event)


@pytest.mark.parametrize(
    ("prize", "held", "paid_before", "expired", "reversal", "paid", "event"),
    [
        # nobody has come for it yet
        ("-",   235, 0,   0,   235, 0,   "REVERSED 235"),
        ("410", 235, 0,   0,   235, 410, "WON 410"),
        ("410", 0,   0,   0,   0,   410, "WON 410"),
        ("0",   235, 0,   0,   235, 0,   "WON 0"),
        # it was handed out: that stays
        ("-",   0,   235, 0,   0,   0,   ""),
        ("100", 0,   235, 0,   0,   0,   ""),
        ("410", 0,   235, 0,   0,   175, "WON 410"),
        # a part was handed out, the rest can be claimed
        ("-",   175, 235, 0,   175, 0,   "PAID 0"),
        ("235", 175, 235, 0,   175, 0,   "PAID 0"),
        ("500", 175, 235, 0,   175, 265, "WON 500"),
        # it has expired: that stays too
        ("-",   0,   0,   235, 0,   0,   ""),
        ("410", 0,   0,   235, 0,   175, "WON 410"),
        ("-",   175, 0,   235, 175, 0,   "EXPIRED 0"),
        ("-",   20,  100, 235, 20,  0,   "PAID 0"),
    ],
)  # fmt: skip
def test_a_till_s_ticket_gives_back_what_nobody_has_claimed(
    prize: str, held: int, paid_before: int, expired: int, reversal: int, paid: int, event: str
) -> None:
    ticket = affected("t", "till", prize, held, paid_before, expired)
    made = [*right_prizes([ticket]), *reversals([ticket], {})]

    assert told(*made) == (reversal, paid, event)


def test_the_tickets_of_an_account_share_what_it_has() -> None:
    tickets = [
        affected("1", "ann", "-", 100),
        affected("2", "bob", "-", 100),
        affected("3", "ann", "-", 100),
        affected("4", "ann", "30", 0),
        affected("5", "ann", "-", 100),
    ]
    paid = right_prizes(tickets)
    made = reversals(tickets, {"ann": 120 + 30, "bob": 70})

    assert [(move.ticket.ticket_id, move.prize_minor) for move in paid] == [("4", 30)]
    assert [move.reversal_minor for move in made] == [100, 70, 50, 0, 0]
    assert made[0].event == (EventKind.REVERSED, 100)
