import pytest

from services.cache.domain.change import Change, Mode, Scope, decode, encode


@pytest.mark.parametrize(
    "change",
    [
        Change("tracks", Scope.KEYS, ("a", 'b"\n\0', "ключ")),
        Change("tracks", Scope.TAG, ("mile",)),
        Change("tracks", Scope.PATTERN, ("round/*",)),
        Change("tracks", Scope.NAMESPACE),
        Change("tracks", Scope.TAG, ("mile",), Mode.EXPIRE),
        Change("tracks", Scope.KEYS, ("a",), Mode.RELEASE),
    ],
)
def test_a_change_is_read_as_it_was_told(change: Change) -> None:
    assert decode(encode(change)) == change


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b'["tracks","later",[]]',
        b'["tracks","keys",[1]]',
        b'["tracks","keys",[],"later"]',
        b'["tracks","keys",[],1]',
        b'["tracks","keys",[],"expire",""]',
        b"\xff",
    ],
)
def test_what_no_replica_of_this_version_tells_is_an_error(payload: bytes) -> None:
    with pytest.raises(ValueError):
        decode(payload)
