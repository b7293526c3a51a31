import pytest

from services.persist.domain.round import Phase
from services.persist.domain.ticket import EventKind, TicketEvent, TicketState, standing, uncapped_minor

STAKE = 100


def events(text: str) -> list[TicketEvent]:
    """Events out of `KIND settlement_no payout`, with commas between."""
    found = []
    for each in filter(None, text.split(", ")):
        kind, settlement_no, payout_minor = each.split()
        found.append(
            TicketEvent(kind=EventKind[kind], settlement_no=int(settlement_no), payout_minor=int(payout_minor))
        )
    return found


@pytest.mark.parametrize(
    ("phase", "happened", "state", "payout_minor"),
    [
        # no event: the round tells
        ("OPEN",     "",                                                       "ACCEPTED",    0),
        ("LOCKED",   "",                                                       "ACCEPTED",    0),
        ("RUNNING",  "",                                                       "ACCEPTED",    0),
        ("FINISHED", "",                                                       "ACCEPTED",    0),
        ("SETTLED",  "",                                                       "LOST",        0),
        ("VOID",     "",                                                       "VOIDED",    100),
        # one decision
        ("FINISHED", "WON 1 235",                                              "WON",       235),
        ("SETTLED",  "WON 1 235",                                              "WON",       235),
        ("SETTLED",  "WON 1 0",                                                "WON",         0),
        ("SETTLED",  "WON 1 235, PAID 1 235",                                  "PAID",      235),
        ("SETTLED",  "PAID 1 235, WON 1 235",                                  "PAID",      235),
        ("SETTLED",  "WON 1 235, EXPIRED 1 235",                               "EXPIRED",     0),
        ("VOID",     "VOIDED 1 100",                                           "VOIDED",    100),
        ("VOID",     "VOIDED 1 100, PAID 1 100",                               "PAID",      100),
        ("VOID",     "VOIDED 1 100, EXPIRED 1 100",                            "EXPIRED",     0),
        # cancelled, whatever becomes of the round
        ("OPEN",     "CANCELLED 0 100",                                        "CANCELLED", 100),
        ("SETTLED",  "CANCELLED 0 100",                                        "CANCELLED", 100),
        ("VOID",     "CANCELLED 0 100",                                        "CANCELLED", 100),
        # corrected
        ("SETTLED",  "WON 2 410",                                              "WON",       410),
        ("SETTLED",  "WON 1 235, REVERSED 2 235",                              "LOST",        0),
        ("SETTLED",  "WON 1 235, REVERSED 2 200",                              "LOST",        0),
        ("SETTLED",  "WON 1 235, WON 2 410",                                   "WON",       410),
        ("SETTLED",  "WON 1 235, REVERSED 2 235, WON 3 235",                   "WON",       235),
        # corrected after it was paid: only what comes on top can be claimed
        ("SETTLED",  "WON 1 235, PAID 1 235, WON 2 410",                       "WON",       410),
        ("SETTLED",  "WON 1 235, PAID 1 235, WON 2 410, PAID 2 175",           "PAID",      410),
        ("SETTLED",  "WON 1 235, PAID 1 235, WON 2 410, EXPIRED 2 175",        "EXPIRED",   235),
        ("SETTLED",  "WON 1 235, PAID 1 235, WON 2 410, PAID 3 0",             "PAID",      235),
        ("SETTLED",  "WON 1 235, EXPIRED 1 235, WON 2 410, PAID 2 175",        "PAID",      175),
        ("SETTLED",  "WON 1 235, EXPIRED 1 235, WON 2 410, EXPIRED 3 0",       "EXPIRED",     0),
    ],
)  # fmt: skip
def test_a_ticket_stands_where_its_latest_event_has_put_it(
    phase: str, happened: str, state: str, payout_minor: int
) -> None:
    assert standing(Phase[phase], STAKE, events(happened)) == (TicketState[state], payout_minor)


@pytest.mark.parametrize(
    ("happened", "state", "payout_minor"),
    [
        ("",                                     "LOST",        0),  # the correction that withdraws is not posted yet
        ("WON 1 235",                            "WON",       235),  # nor here
        ("WON 1 100",                            "VOIDED",    100),
        ("WON 1 235, WON 2 100",                 "VOIDED",    100),
        ("WON 1 100, PAID 1 100",                "PAID",      100),
        ("WON 1 100, EXPIRED 1 100",             "EXPIRED",     0),
    ],
)  # fmt: skip
def test_a_ticket_on_withdrawn_runners_alone_has_its_stake_back_and_did_not_win(
    happened: str, state: str, payout_minor: int
) -> None:
    found = standing(Phase.SETTLED, STAKE, events(happened), all_withdrawn=True)

    assert found == (TicketState[state], payout_minor)


@pytest.mark.parametrize(
    ("happened", "expected_minor"),
    [
        ([], 0),
        ([(EventKind.WON, 1, 900)], 900),
        ([(EventKind.WON, 1, None)], 0),
        ([(EventKind.WON, 1, 900), (EventKind.PAID, 1, None)], 900),
        ([(EventKind.WON, 1, 900), (EventKind.REVERSED, 2, None)], 0),
        ([(EventKind.WON, 2, None), (EventKind.WON, 1, 900)], 0),
    ],
)
def test_what_was_cut_off_is_told_by_the_latest_decision(
    happened: list[tuple[EventKind, int, int | None]], expected_minor: int
) -> None:
    found = [
        TicketEvent(kind=kind, settlement_no=no, payout_minor=500, payout_uncapped_minor=uncapped)
        for kind, no, uncapped in happened
    ]
    assert uncapped_minor(found) == expected_minor


def test_every_event_moves_a_ticket_somewhere() -> None:
    for kind in EventKind:
        state, _ = standing(Phase.SETTLED, STAKE, [TicketEvent(kind=kind, settlement_no=1, payout_minor=STAKE)])
        assert state is not TicketState.ACCEPTED
