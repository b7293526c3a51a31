from typing import Any

import pytest
from furlong.cache.v1 import cache_service_pb2 as pb
from furlong.client.backoff import Timing
from furlong.client.near.change import Change, read
from furlong.client.near.trust import SILENCE_S, Trust
from furlong.client.near.watch import Watch

Word = pb.WatchChangesResponse


class Recorder:
    """Stands in for a namespace and writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[Change] = []
        self.ended = 0

    def hear(self, change: Change) -> None:
        self.heard.append(change)

    def end_session(self) -> None:
        self.ended += 1


class World:
    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.trust = Trust()
        self.tracks = Recorder()
        namespaces: Any = {"tracks": self.tracks}
        nobody: Any = None
        timing = Timing(monotonic_s=lambda: self.now_s)
        self.watch = Watch(namespaces=namespaces, trust=self.trust, service=nobody, timing=timing)

    def take(self, kind: "pb.WatchChangesResponse.Kind.ValueType", epoch: str = "1", **fields: Any) -> None:
        self.watch.take(Word(kind=kind, epoch=epoch, **fields))

    @property
    def is_trusted(self) -> bool:
        return self.now_s < self.trust.until_s


@pytest.fixture
def world() -> World:
    return World()


def change(version: int, namespace: str = "tracks") -> dict[str, Any]:
    return {"version": version, "namespace": namespace, "keys": pb.Keys(keys=["key"])}


def test_a_heartbeat_begins_a_session(world: World) -> None:
    assert not world.is_trusted
    world.take(Word.HEARTBEAT)
    assert world.is_trusted


@pytest.mark.parametrize("kind", [Word.GAP, Word.CHANGE])
def test_nothing_else_begins_one(world: World, kind: "pb.WatchChangesResponse.Kind.ValueType") -> None:
    world.take(kind, **change(5))
    assert not world.is_trusted


def test_a_gap_ends_the_session_and_the_next_heartbeat_begins_another(world: World) -> None:
    world.take(Word.HEARTBEAT)
    session = world.trust.session
    world.take(Word.GAP)
    world.take(Word.GAP)
    assert not world.is_trusted
    assert (world.tracks.ended, world.watch.gaps) == (1, 1)
    world.take(Word.HEARTBEAT)
    assert world.is_trusted
    assert world.trust.session > session


@pytest.mark.parametrize("kind", [Word.HEARTBEAT, Word.CHANGE])
def test_another_epoch_ends_the_session(world: World, kind: "pb.WatchChangesResponse.Kind.ValueType") -> None:
    world.take(Word.HEARTBEAT, "1")
    world.take(kind, "2", **(change(5) if kind == Word.CHANGE else {}))
    assert world.tracks.ended == 1
    world.take(Word.HEARTBEAT, "2")
    assert world.is_trusted


@pytest.mark.parametrize("kind", [Word.HEARTBEAT, Word.CHANGE])
def test_every_word_is_a_sign_of_life(world: World, kind: "pb.WatchChangesResponse.Kind.ValueType") -> None:
    world.take(Word.HEARTBEAT)
    world.now_s += SILENCE_S
    assert not world.is_trusted
    world.take(kind)
    assert world.is_trusted
    assert world.tracks.ended == 0


def test_a_change_goes_to_its_namespace_also_while_nothing_is_trusted(world: World) -> None:
    world.take(Word.CHANGE, **change(5))
    world.take(Word.HEARTBEAT)
    world.take(Word.CHANGE, **change(6))
    world.take(Word.CHANGE, **change(7, "cards"))
    assert world.tracks.heard == [Change(5, ("key",)), Change(6, ("key",))]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"keys": pb.Keys(keys=["a", "b"])}, Change(5, ("a", "b"))),
        ({"tag": "tag"}, Change(5)),
        ({"everything": True}, Change(5)),
        ({"everything": True, "mode": pb.EXPIRE}, Change(5, expires=True)),
    ],
)
def test_a_word_is_read_as_what_it_covers_here(fields: dict[str, Any], expected: Change) -> None:
    assert read(Word(kind=Word.CHANGE, version=5, namespace="tracks", **fields)) == expected


def test_a_pattern_is_matched_against_whole_keys() -> None:
    expression = read(Word(kind=Word.CHANGE, version=5, namespace="tracks", pattern="a/[!b]*")).pattern
    assert expression is not None
    assert [bool(expression.match(key)) for key in ("a/c1", "a/b1", "xa/c1", "a/")] == [True, False, False, False]
