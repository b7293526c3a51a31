from services.cache.domain.entry import Key
from services.cache.domain.expiries import STEP_MS, Expiries


def key(name: str) -> Key:
    return Key("tracks", name)


def test_keys_are_told_once_the_whole_step_in_which_they_end_is_over() -> None:
    expiries = Expiries()
    expiries.put(key("a"), 0)
    expiries.put(key("b"), STEP_MS)
    assert expiries.ended(STEP_MS - 1) is None
    assert expiries.ended(STEP_MS) == key("a")
    expiries.drop(key("a"), 0)
    assert expiries.ended(2 * STEP_MS - 1) is None
    assert expiries.ended(2 * STEP_MS) == key("b")


def test_a_key_that_was_dropped_is_not_told() -> None:
    expiries = Expiries()
    expiries.put(key("a"), 0)
    expiries.drop(key("a"), STEP_MS - 1)
    assert expiries.ended(10 * STEP_MS) is None
    expiries.put(key("a"), 1)
    assert expiries.ended(10 * STEP_MS) == key("a"), "a step may be used again"
    expiries.clear()
    assert expiries.ended(10 * STEP_MS) is None
