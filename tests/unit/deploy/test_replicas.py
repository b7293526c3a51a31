"""Replicas in the local stack: each has a number and a place of its own, and is told where the others are."""

from pathlib import Path

import pytest

from deploy.gateway.render import Address
from deploy.local.keys import KeyRing
from deploy.local.programs import Addresses, StackSettings, cache_parts, game_parts, replicas_of

TWO = "127.0.0.1:20001,127.0.0.1:20002"


def addresses(game: str) -> Addresses:
    return Addresses(
        gateway="", game=game, persist=TWO, cache=TWO, web="", envoy_admin="", database_url="", redis_url="redis://r"
    )


@pytest.mark.parametrize(
    ("where", "names"), [("127.0.0.1:20001", ["game"]), (TWO, ["game-1", "game-2"])], ids=["one", "two"]
)
def test_replicas_have_numbers_where_there_are_several(tmp_path: Path, where: str, names: list[str]) -> None:
    parts = game_parts(StackSettings(data_dir=tmp_path), addresses(where), tmp_path, KeyRing(tmp_path / "keys"))

    assert [part.name for part in parts] == names
    assert [part.log.name for part in parts] == [f"{name}.log" for name in names]


def test_a_stack_without_a_cache_has_no_part_of_it(tmp_path: Path) -> None:
    none = Addresses(gateway="", game=TWO, persist=TWO, web="", envoy_admin="", database_url="")

    assert cache_parts(StackSettings(data_dir=tmp_path), none, tmp_path, KeyRing(tmp_path / "keys")) == []


def test_an_address_is_read_as_its_replicas() -> None:
    assert replicas_of("") == ()
    assert replicas_of(TWO) == (Address(host="127.0.0.1", port=20001), Address(host="127.0.0.1", port=20002))
