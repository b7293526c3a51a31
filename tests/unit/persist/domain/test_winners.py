"""The canonical encoding of winners."""

from services.persist.domain.round import Winner
from services.persist.domain.winners import canonical, decoded

FIRST = Winner(market=1, selection=b"\x03", numerator=1, denominator=1)
SECOND = Winner(market=1, selection=b"\x04", numerator=1, denominator=2)


def test_the_order_in_which_winners_come_does_not_matter() -> None:
    assert canonical([FIRST, SECOND]) == canonical([SECOND, FIRST])


def test_other_winners_are_encoded_otherwise() -> None:
    half = Winner(market=1, selection=b"\x03", numerator=1, denominator=2)
    back = Winner(market=1, selection=b"\x03", numerator=1, denominator=1, refund=True)
    assert len({canonical(each) for each in ([], [FIRST], [SECOND], [half], [back], [FIRST, SECOND])}) == 6


def test_winners_are_read_back_from_their_encoding() -> None:
    pair = Winner(market=2, selection=b"\x01\x05", numerator=1, denominator=40)
    back = Winner(market=2, selection=b"\x07", numerator=1, denominator=1, refund=True)
    for winners in ([], [FIRST], [FIRST, SECOND, pair], [FIRST, back]):
        assert list(decoded(canonical(winners))) == winners
