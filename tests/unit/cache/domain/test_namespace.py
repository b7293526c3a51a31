import pytest

from services.cache.domain.bounds import ANSWER_VALUE_BYTES_MAX, VALUE_BYTES_MAX
from services.cache.domain.namespace import CANARY, NAMESPACES, Coherence, Namespace


def made(**policy: int | bool) -> Namespace:
    """A namespace of ten seconds with some of its policy."""
    coherence = Coherence.BOUNDED if policy.get("bound_ms") else Coherence.STRICT
    declared = {"ttl_ms": 10_000, "stale_ms": 0, **policy}
    return Namespace(name="made", coherence=coherence, **declared)  # type: ignore[arg-type] # ints and bools both


def test_every_namespace_keeps_its_entries_for_a_while_and_within_bounds() -> None:
    for name, namespace in NAMESPACES.items():
        assert namespace.name == name
        assert namespace.ttl_ms > 0
        assert namespace.stale_ms >= 0
        assert 0 < namespace.negative_ttl_ms <= namespace.ttl_ms
        assert 0 < namespace.value_bytes_max <= VALUE_BYTES_MAX < ANSWER_VALUE_BYTES_MAX


def test_what_the_issue_names_is_declared() -> None:
    assert {"rounds", "cards", "prices", "tickets", "reports", "metrics", "sessions"} <= NAMESPACES.keys()


def test_no_caller_can_name_the_canary() -> None:
    assert CANARY.name not in NAMESPACES


def test_a_name_can_stand_in_a_key_of_redis() -> None:
    assert all(name.replace("-", "").isalpha() and name.islower() for name in NAMESPACES)


@pytest.mark.parametrize(
    ("jitter", "asked_ms", "chance", "fresh_ms"),
    [
        (0, 0, 0.0, 10_000),
        (0, 0, 0.9, 10_000),
        (10, 0, 0.0, 10_000),
        (10, 0, 0.5, 9_500),
        (50, 0, 0.9, 5_500),
        (50, 3_000, 0.9, 3_000),  # what a writer asked for is kept to the millisecond
    ],
)
def test_chance_shortens_the_time_of_the_namespace_and_no_other(
    jitter: int, asked_ms: int, chance: float, fresh_ms: int
) -> None:
    assert made(jitter_percent=jitter).fresh_ms(asked_ms, chance) == fresh_ms


@pytest.mark.parametrize(("asked_ms", "absent_ms"), [(0, 2_000), (1_500, 1_500), (9_000, 2_000)])
def test_that_there_is_nothing_is_kept_no_longer_than_declared(asked_ms: int, absent_ms: int) -> None:
    assert made(negative_ttl_ms=2_000).absent_ms(asked_ms) == absent_ms


@pytest.mark.parametrize(
    ("namespace", "unheard_ms", "answers"),
    [
        ("tracks", 0, False),
        ("prices", 0, True),
        ("prices", 2_000, True),
        ("prices", 2_001, False),
        ("reports", 10**9, True),
    ],
)
def test_coherence_says_how_long_l1_answers_on_without_word_from_the_others(
    namespace: str, unheard_ms: int, answers: bool
) -> None:
    assert NAMESPACES[namespace].answers_alone(unheard_ms) is answers


@pytest.mark.parametrize("nonsense", [{"ttl_ms": 0}, {"jitter_percent": 51}, {"l1_percent": 0}, {"l1_percent": 101}])
def test_what_makes_no_policy_cannot_be_declared(nonsense: dict[str, int]) -> None:
    with pytest.raises(AssertionError):
        made(**nonsense)


def test_an_entry_that_lives_on_by_being_read_is_never_stale() -> None:
    with pytest.raises(AssertionError):
        made(sliding=True, stale_ms=1)
