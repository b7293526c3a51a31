import pytest
from furlong.cache.v1.cache_service_pb2 import DELETE, EXPIRE, Keys, WatchChangesResponse

from services.cache.domain.change import Change, Mode, Scope
from services.cache.engine.watchers import Kind, Word
from services.cache.ports import Stamp
from services.cache.service.words import written

CHANGE = WatchChangesResponse.CHANGE


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (Change("tracks", Scope.KEYS, ("a", "b")), {"keys": Keys(keys=["a", "b"]), "mode": DELETE}),
        (Change("tracks", Scope.TAG, ("tag",)), {"tag": "tag", "mode": DELETE}),
        (Change("tracks", Scope.PATTERN, ("k*",), Mode.EXPIRE), {"pattern": "k*", "mode": EXPIRE}),
        (Change("tracks", Scope.NAMESPACE), {"everything": True, "mode": DELETE}),
    ],
)
def test_a_change_is_written_with_what_it_covers(change: Change, told: dict[str, object]) -> None:
    expected = WatchChangesResponse(kind=CHANGE, epoch="7", version=101, namespace="tracks", **told)  # type: ignore[arg-type]
    assert WatchChangesResponse.FromString(written(Word(Kind.CHANGE, Stamp(7, 101), change))) == expected


@pytest.mark.parametrize("kind", [Kind.GAP, Kind.HEARTBEAT])
def test_a_word_without_a_change_tells_where_the_stream_stands(kind: Kind) -> None:
    word = WatchChangesResponse.FromString(written(Word(kind, Stamp(7, 101))))
    assert (word.kind, word.epoch, word.version) == (kind.value, "7", 101)
    assert word.WhichOneof("target") is None


def test_an_epoch_that_was_never_seen_is_empty() -> None:
    assert WatchChangesResponse.FromString(written(Word(Kind.GAP, Stamp(0, 1)))).epoch == ""
