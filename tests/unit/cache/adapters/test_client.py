import pytest

from services.cache.adapters.redis import scripts
from services.cache.adapters.redis.client import RedisClient
from services.cache.adapters.redis.keys import mark, read_mark
from services.cache.domain.change import Change, Mode, Scope


def test_an_address_that_is_none_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match="scheme"):
        RedisClient("http://127.0.0.1:6379")


def test_scripts_are_told_apart_by_what_they_do() -> None:
    all_of_them = [scripts.WRITE, scripts.FORGET, scripts.RENEW, scripts.STATE, scripts.PUBLISH]
    assert len({script.sha for script in all_of_them}) == len({script.name for script in all_of_them}) == 5


@pytest.mark.parametrize(
    "change",
    [
        Change("round-lists", Scope.TAG, ("a:b",)),
        Change("tracks", Scope.PATTERN, ("mark:*:?",)),
        Change("tracks", Scope.NAMESPACE),
        Change("tracks", Scope.TAG, ("e",), Mode.EXPIRE),
        Change("tracks", Scope.PATTERN, ("a:*",), Mode.EXPIRE),
        Change("tracks", Scope.NAMESPACE, (), Mode.EXPIRE),
    ],
)
def test_a_mark_is_read_as_it_was_named(change: Change) -> None:
    assert read_mark(mark(change.namespace, change.scope, change.mode, *change.names)) == change


def test_a_mark_of_a_kind_that_is_not_known_covers_the_namespace_and_other_fields_are_none() -> None:
    assert read_mark("mark:tracks:z:later") == Change("tracks", Scope.NAMESPACE)
    assert read_mark("version") is None
    assert read_mark("count:tracks:t") is None
