import itertools

import pytest

from services.cache.domain.bounds import PATTERN_MARKS_MAX, RECENT_KEYS_MAX, TAG_MARKS_MAX
from services.cache.domain.change import Change, Scope
from services.cache.domain.entry import Entry, Key
from services.cache.domain.marks import Marks
from services.cache.domain.recent_keys import RecentKeys

KEY = Key("tracks", "round/17")


def entry(version: int, *tags: str) -> Entry:
    return Entry(1, version, 0, 0, 0, tags, b"")


@pytest.mark.parametrize(
    ("change", "tags", "dies"),
    [
        (Change("tracks", Scope.TAG, ("mile",)), ("mile", "x"), True),
        (Change("tracks", Scope.TAG, ("mile",)), ("x",), False),
        (Change("tracks", Scope.PATTERN, ("round/*",)), (), True),
        (Change("tracks", Scope.PATTERN, ("list/*",)), (), False),
        (Change("tracks", Scope.NAMESPACE), (), True),
        (Change("cards", Scope.NAMESPACE), (), False),
        (Change("cards", Scope.TAG, ("mile",)), ("mile",), False),
    ],
)
def test_an_entry_dies_of_a_mark_that_speaks_of_it_and_is_newer(
    change: Change, tags: tuple[str, ...], dies: bool
) -> None:
    marks = Marks()
    marks.put(change, 10)
    assert marks.kills(KEY, entry(9, *tags)) == dies
    assert not marks.kills(KEY, entry(10, *tags))
    assert not marks.kills(KEY, entry(11, *tags))


def test_marks_told_twice_and_in_any_order_come_to_the_same() -> None:
    told = [
        (Change("tracks", Scope.TAG, ("mile",)), 10),
        (Change("tracks", Scope.PATTERN, ("round/*",)), 12),
        (Change("tracks", Scope.NAMESPACE), 5),
        (Change("tracks", Scope.TAG, ("mile",)), 4),
    ]
    for order in itertools.permutations(told + told[:1]):
        marks = Marks()
        for change, stamp in order:
            marks.put(change, stamp)
        dead = [version for version in range(15) if marks.kills(KEY, entry(version, "mile"))]
        assert dead == list(range(12))
        assert [version for version in range(15) if marks.kills(Key("tracks", "x"), entry(version))] == list(range(5))


@pytest.mark.parametrize(("scope", "most"), [(Scope.TAG, TAG_MARKS_MAX), (Scope.PATTERN, PATTERN_MARKS_MAX)])
def test_too_many_marks_become_one_on_the_whole_namespace(scope: Scope, most: int) -> None:
    marks = Marks()
    for n in range(most):
        marks.put(Change("tracks", scope, (f"name {n}",)), n + 1)
    assert len(marks) == most
    assert not marks.kills(KEY, entry(0))
    marks.put(Change("tracks", scope, ("one more",)), most + 1)
    assert len(marks) == 0
    assert marks.kills(KEY, entry(most))
    assert not marks.kills(KEY, entry(most + 1))


def test_a_pattern_that_means_nothing_here_covers_everything() -> None:
    marks = Marks()
    marks.put(Change("tracks", Scope.PATTERN, ("[",)), 10)
    assert marks.kills(KEY, entry(9))


def test_a_read_is_outdated_by_a_change_of_its_key_that_came_while_it_was_under_way() -> None:
    recent = RecentKeys()
    recent.put(KEY, 10)
    begun = recent.count
    assert not recent.outdates(KEY, entry(9), begun), "the change was heard of before the read began"
    recent.put(Key("tracks", "other"), 12)
    assert recent.outdates(KEY, entry(9), begun), "it cannot hurt to count what is known"
    recent.put(KEY, 15)
    recent.put(KEY, 11)
    assert recent.outdates(KEY, entry(14), begun)
    assert not recent.outdates(KEY, entry(15), begun)


def test_a_read_that_more_changes_overtook_than_are_remembered_is_outdated() -> None:
    recent = RecentKeys()
    begun = recent.count
    for n in range(RECENT_KEYS_MAX):
        recent.put(Key("tracks", f"{n}"), n)
    assert not recent.outdates(KEY, entry(1), begun)
    recent.put(Key("tracks", "one more"), 1)
    assert recent.outdates(KEY, entry(1), begun)
