import gc
import tracemalloc
from typing import Any

import pytest
from furlong.client.near import shelf as module
from furlong.client.near.change import UNKNOWN, Change, change
from furlong.client.near.policy import NearPolicy
from furlong.client.near.shelf import HEARD_MAX, MARKS_MAX, Held, Shelf, Verdict
from furlong.client.near.trust import LAG_S, Trust

NOW_S = 1_000.0


def make_shelf(**policy: Any) -> Shelf:
    trust = Trust()
    trust.begin("1", NOW_S)
    trust.until_s = NOW_S + 1_000
    return Shelf(NearPolicy(namespace="tracks", **policy), trust)


def keep(shelf: Shelf, key: str, value: bytes | None = b"value", version: int = 10) -> None:
    held = Held(
        value,
        version=version,
        session=1,
        turn=shelf.turn,
        right_s=NOW_S,
        fresh_until_s=NOW_S + 60,
        stale_until_s=NOW_S + 60,
    )
    shelf.keep(key, held)


def value_of(shelf: Shelf, key: str) -> bytes | None:
    held = shelf.find(key, NOW_S)
    return None if held is None else held.value


def test_the_bytes_of_a_full_shelf_are_those_that_the_process_has_taken() -> None:
    shelf = make_shelf(bytes_max=4 * 1024 * 1024)
    keep(shelf, "to have everything loaded")
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for n in range(20_000):
            held = Held(
                bytes(n % 500),
                version=2**50 + n,
                session=1,
                turn=shelf.turn,
                right_s=NOW_S + n,
                fresh_until_s=NOW_S + 60 + n,
                stale_until_s=NOW_S + 70 + n,
            )
            shelf.keep(f"track/{n}", held)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert shelf.evictions > 0
    assert shelf.bytes <= 4 * 1024 * 1024
    assert 0.75 * shelf.bytes <= taken <= shelf.bytes


def test_what_was_used_outlives_what_was_not() -> None:
    shelf = make_shelf(bytes_max=20_000)
    keep(shelf, "used")
    for n in range(200):
        keep(shelf, f"passes through {n}")
        assert value_of(shelf, "used") == b"value"
    assert value_of(shelf, "passes through 0") is None


def test_an_entry_that_is_larger_than_the_bound_is_not_kept_and_its_forerunner_is_gone() -> None:
    shelf = make_shelf(bytes_max=2_000)
    keep(shelf, "key")
    keep(shelf, "key", bytes(2_000))
    assert (value_of(shelf, "key"), shelf.bytes, len(shelf)) == (None, 0, 0)


def test_bytes_are_given_back_by_whatever_ends_an_entry() -> None:
    shelf = make_shelf()
    for n in range(4):
        keep(shelf, f"key {n}")
    keep(shelf, "key 0", b"another")
    shelf.drop("key 0")
    shelf.hear(Change(11, ("key 1",)), NOW_S)
    shelf.hear(Change(12), NOW_S)
    assert value_of(shelf, "key 2") is None
    assert shelf.bytes > 0, "key 3 is not found dead yet"
    shelf.end_session()
    assert (shelf.bytes, len(shelf)) == (0, 0)


@pytest.mark.parametrize(
    ("pattern", "gone"),
    [("a/*", {"a/1", "a/2"}), ("?/1", {"a/1", "b/1"}), ("*", {"a/1", "a/2", "b/1"}), ("[", {"a/1", "a/2", "b/1"})],
)
def test_a_pattern_takes_what_it_matches(pattern: str, gone: set[str]) -> None:
    shelf = make_shelf()
    keys = {"a/1", "a/2", "b/1"}
    for key in keys:
        keep(shelf, key)
    heard = change(11, keys=None, pattern=pattern, expires=False)
    if pattern == "[":
        heard = heard._replace(pattern=None)
    shelf.hear(heard, NOW_S)
    assert {key for key in keys if value_of(shelf, key) is None} == gone


def test_many_patterns_become_one_mark_on_everything() -> None:
    shelf = make_shelf()
    keep(shelf, "key")
    for n in range(MARKS_MAX + 1):
        shelf.hear(change(100 + n, keys=None, pattern=f"other {n}", expires=False), NOW_S)
    assert value_of(shelf, "key") is None
    assert shelf.judge("key", 100, NOW_S) is Verdict.DEAD
    assert shelf.judge("key", 100 + MARKS_MAX, NOW_S) is Verdict.ALIVE


@pytest.mark.parametrize(
    ("heard", "version", "verdict"),
    [
        (Change(8, ("key",)), 7, Verdict.DEAD),
        (Change(8, ("key",)), 8, Verdict.ALIVE),
        (Change(8, ("other",)), 7, Verdict.ALIVE),
        (Change(8, ("key",), expires=True), 7, Verdict.EXPIRED),
        (Change(8), 7, Verdict.DEAD),
        (Change(8), 8, Verdict.ALIVE),
        (Change(8, expires=True), 7, Verdict.EXPIRED),
        (Change(UNKNOWN, ("key",)), 2**50, Verdict.DEAD),
        (Change(UNKNOWN), 2**50, Verdict.DEAD),
    ],
)
def test_an_answer_is_judged_by_what_was_heard_before_it(heard: Change, version: int, verdict: Verdict) -> None:
    shelf = make_shelf()
    shelf.hear(heard, NOW_S)
    assert shelf.judge("key", version, NOW_S + LAG_S / 2) is verdict


def test_a_change_that_is_heard_late_does_not_hide_a_newer_one() -> None:
    shelf = make_shelf()
    shelf.hear(Change(9, ("key",)), NOW_S)
    shelf.hear(Change(8, ("key",)), NOW_S)
    assert shelf.judge("key", 8, NOW_S) is Verdict.DEAD


def test_a_change_of_a_key_is_remembered_for_as_long_as_a_replica_may_lag() -> None:
    shelf = make_shelf()
    shelf.hear(Change(8, ("key",)), NOW_S)
    assert shelf.judge("key", 7, NOW_S + LAG_S) is Verdict.ALIVE


def test_more_changes_than_can_be_remembered_make_old_answers_worthless() -> None:
    shelf = make_shelf()
    for n in range(HEARD_MAX + 1):
        shelf.hear(Change(100 + n, (f"key {n}",)), NOW_S)
    assert shelf.judge("key 0", 99, NOW_S) is Verdict.DEAD
    assert shelf.judge("never heard of", 99, NOW_S) is Verdict.DEAD
    assert shelf.judge("never heard of", 100, NOW_S) is Verdict.ALIVE
    assert shelf.judge("never heard of", 99, NOW_S + LAG_S) is Verdict.ALIVE


def test_making_room_ends_even_where_everything_was_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TURNS_MAX", 3)
    shelf = make_shelf(bytes_max=10_000)
    for n in range(100):
        keep(shelf, f"key {n}")
        value_of(shelf, f"key {n}")
    assert shelf.bytes <= 10_000
