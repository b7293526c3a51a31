import pytest

from services.cache.domain.position import NOWHERE, Position


@pytest.mark.parametrize(
    ("at", "message", "follows"),
    [
        (Position(5, 3), Position(5, 4), True),
        (Position(5, 3), Position(5, 5), False),
        (Position(5, 3), Position(5, 3), False),
        (Position(5, 3), Position(6, 4), False),
        (Position(5, 3), Position(6, 1), False),
        (NOWHERE, Position(6, 1), True),
        (NOWHERE, Position(6, 2), False),
    ],
)
def test_a_message_follows_a_position_when_nothing_lies_between(at: Position, message: Position, follows: bool) -> None:
    assert at.is_followed_by(message) == follows


def test_a_later_epoch_is_a_later_position_whatever_the_sequence() -> None:
    assert Position(6, 1) > Position(5, 10**9)
