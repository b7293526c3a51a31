"""The policy of L1, judged by what it keeps. Keys are numbers, so that nothing depends on how text is hashed."""

import random
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as some

from services.cache.domain.order import LOBBY_SHARE, USES_MAX, Order, Place

GRANTED = 1_000_000
BOUND = Order[int, Place](GRANTED).bytes_max
UNIT = BOUND // 1_000
"""Bytes of a key, of which 1,000 fit."""


def order() -> Order[int, Place]:
    return Order(GRANTED)


def hits(under_test: Order[int, Place], keys: Iterable[int], taken: int = UNIT) -> int:
    """Ask for keys in turn, adding each that is not there; tell how many were."""
    count = 0
    for key in keys:
        if under_test.use(key) is None:
            under_test.add(key, Place(taken))
        else:
            count += 1
    return count


def kept(under_test: Order[int, Place]) -> set[int]:
    return set(under_test)


def test_nothing_goes_while_there_is_room() -> None:
    under_test = order()
    assert hits(under_test, range(1_000)) == 0
    assert kept(under_test) == set(range(1_000))


def test_what_is_asked_for_once_disturbs_nothing_that_was_used() -> None:
    under_test = order()
    hits(under_test, list(range(900)) * 3)
    hits(under_test, range(10_000, 30_000))
    assert len(kept(under_test) & set(range(900))) > 800


def test_a_loop_longer_than_the_bound_is_kept_for_the_most_part() -> None:
    under_test = order()
    loop = list(range(1_200))
    hits(under_test, loop * 10)
    assert hits(under_test, loop) > 0.7 * len(loop)


def test_a_new_set_of_keys_takes_the_place_of_an_old_one() -> None:
    under_test = order()
    hits(under_test, list(range(800)) * 10)
    hits(under_test, list(range(10_000, 10_800)) * 10)
    assert len(kept(under_test) & set(range(10_000, 10_800))) > 700


def test_the_lobby_grows_where_what_was_used_lately_is_used_next() -> None:
    under_test = order()
    chance = random.Random(1)
    for begin in range(0, 200_000, 20):  # each key is asked for again soon, and then never more
        hits(under_test, (max(begin - chance.randrange(150), 0) for _ in range(20)))
    assert under_test.lobby_share > 2 * LOBBY_SHARE


def test_a_key_that_is_dropped_leaves_no_ghost() -> None:
    under_test = order()
    hits(under_test, range(1_000))
    share = under_test.lobby_share
    for key in range(1_000):
        assert under_test.drop(key) is not None
        assert under_test.drop(key) is None
    assert under_test.bytes == 0
    hits(under_test, range(1_000))
    assert under_test.lobby_share == share


def test_uses_are_saved_up_to_a_bound() -> None:
    under_test = order()
    place = Place(1)
    under_test.add(1, place)
    for _ in range(10):
        under_test.use(1)
    assert place.uses == USES_MAX
    assert under_test.find(1) is place
    assert place.uses == USES_MAX, "finding is no use"


def test_a_key_that_grows_makes_room_for_itself() -> None:
    under_test = order()
    hits(under_test, range(1_000))
    gone = under_test.weigh(999, 400 * UNIT)
    assert sum(place.bytes for _, place in gone) >= 399 * UNIT
    assert under_test.bytes <= BOUND


@given(
    some.lists(
        some.tuples(some.integers(0, 60), some.integers(1, 400 * UNIT), some.sampled_from("aaaaauuuwd")), max_size=300
    )
)
def test_the_bytes_are_those_of_the_places_and_never_beyond_the_bound(steps: list[tuple[int, int, str]]) -> None:
    under_test = order()
    model: dict[int, int] = {}
    for key, taken, what in steps:
        gone: list[tuple[int, Place]] = []
        if what == "a" and key not in model:
            gone = under_test.add(key, Place(taken))
            model[key] = taken
        elif what == "w" and key in model:
            gone = under_test.weigh(key, taken)
            model[key] = taken
        elif what == "d":
            place = under_test.drop(key)
            assert (place.bytes if place is not None else None) == model.pop(key, None)
        else:
            assert (under_test.use(key) is None) == (key not in model)
        for each, place in gone:
            assert model.pop(each) == place.bytes
        assert kept(under_test) == model.keys()
        assert under_test.bytes == sum(model.values()) <= BOUND
        assert len(under_test) == len(model)
