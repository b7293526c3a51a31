import itertools

import pytest

from services.cache.domain.bounds import PATTERN_MARKS_MAX, RECENT_KEYS_MAX, TAG_MARKS_MAX
from services.cache.domain.change import Change, Mode, Scope
from services.cache.domain.entry import Entry, Key
from services.cache.domain.marks import Fate, Marks
from services.cache.domain.outcome import Outcome
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
    assert (marks.fate(KEY, entry(9, *tags)) is Fate.DEAD) == dies
    assert marks.fate(KEY, entry(10, *tags)) is Fate.ALIVE
    assert marks.fate(KEY, entry(11, *tags)) is Fate.ALIVE


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
        dead = [version for version in range(15) if marks.fate(KEY, entry(version, "mile")) is Fate.DEAD]
        assert dead == list(range(12))
        assert [
            version for version in range(15) if marks.fate(Key("tracks", "x"), entry(version)) is Fate.DEAD
        ] == list(range(5))


@pytest.mark.parametrize(("scope", "most"), [(Scope.TAG, TAG_MARKS_MAX), (Scope.PATTERN, PATTERN_MARKS_MAX)])
def test_too_many_marks_become_one_on_the_whole_namespace(scope: Scope, most: int) -> None:
    marks = Marks()
    for n in range(most):
        marks.put(Change("tracks", scope, (f"name {n}",)), n + 1)
    assert len(marks) == most
    assert marks.fate(KEY, entry(0)) is Fate.ALIVE
    marks.put(Change("tracks", scope, ("one more",)), most + 1)
    assert len(marks) == 0
    assert marks.fate(KEY, entry(most)) is Fate.DEAD
    assert marks.fate(KEY, entry(most + 1)) is Fate.ALIVE


def test_a_pattern_that_means_nothing_here_covers_everything() -> None:
    marks = Marks()
    marks.put(Change("tracks", Scope.PATTERN, ("[",)), 10)
    assert marks.fate(KEY, entry(9)) is Fate.DEAD


def test_a_read_is_outdated_by_a_change_of_its_key_that_came_while_it_was_under_way() -> None:
    recent = RecentKeys()
    recent.put(KEY, Mode.DELETE, 10)
    begun = recent.count
    assert recent.fate(KEY, entry(9), begun) is Fate.ALIVE, "the change was heard of before the read began"
    recent.put(Key("tracks", "other"), Mode.DELETE, 12)
    assert recent.fate(KEY, entry(9), begun) is Fate.DEAD, "it cannot hurt to count what is known"
    recent.put(KEY, Mode.DELETE, 15)
    recent.put(KEY, Mode.DELETE, 11)
    assert recent.fate(KEY, entry(14), begun) is Fate.DEAD
    assert recent.fate(KEY, entry(15), begun) is Fate.ALIVE


def test_a_read_that_more_changes_overtook_than_are_remembered_is_outdated() -> None:
    recent = RecentKeys()
    begun = recent.count
    for n in range(RECENT_KEYS_MAX):
        recent.put(Key("tracks", f"{n}"), Mode.DELETE, n)
    assert recent.fate(KEY, entry(1), begun) is Fate.ALIVE
    recent.put(Key("tracks", "one more"), Mode.DELETE, 1)
    assert recent.fate(KEY, entry(1), begun) is Fate.DEAD


@pytest.mark.parametrize(
    ("scope", "name"), [(Scope.TAG, "mile"), (Scope.PATTERN, "round/*"), (Scope.NAMESPACE, "")], ids=str
)
def test_an_entry_that_is_expired_is_dead_where_it_was_deleted_too(scope: Scope, name: str) -> None:
    for delete_first in (True, False):
        marks = Marks()
        told = [(Mode.DELETE, 5), (Mode.EXPIRE, 10)]
        for mode, stamp in told if delete_first else told[::-1]:
            marks.put(Change("tracks", scope, (name,) if name else (), mode), stamp)
        fates = [marks.fate(KEY, entry(version, "mile")) for version in range(12)]
        assert fates == [Fate.DEAD] * 5 + [Fate.EXPIRED] * 5 + [Fate.ALIVE] * 2


def test_too_many_marks_that_expire_kill_nothing() -> None:
    marks = Marks()
    for n in range(TAG_MARKS_MAX + 1):
        marks.put(Change("tracks", Scope.TAG, (f"name {n}",), Mode.EXPIRE), n + 1)
    assert len(marks) == 0
    assert marks.fate(KEY, entry(TAG_MARKS_MAX)) is Fate.EXPIRED


def test_what_says_that_there_is_nothing_dies_of_being_expired() -> None:
    marks, recent = Marks(), RecentKeys()
    begun = recent.count
    marks.put(Change("tracks", Scope.NAMESPACE, (), Mode.EXPIRE), 10)
    recent.put(KEY, Mode.EXPIRE, 10)
    absent = entry(9)._replace(outcome=Outcome.ABSENT)
    assert marks.fate(KEY, absent) is Fate.DEAD
    assert recent.fate(KEY, absent, begun) is Fate.DEAD


def test_a_read_that_an_expiry_overtook_brings_what_is_expired() -> None:
    recent = RecentKeys()
    begun = recent.count
    recent.put(KEY, Mode.DELETE, 5)
    recent.put(KEY, Mode.EXPIRE, 10)
    fates = [recent.fate(KEY, entry(version), begun) for version in (4, 5, 9, 10)]
    assert fates == [Fate.DEAD, Fate.EXPIRED, Fate.EXPIRED, Fate.ALIVE]
