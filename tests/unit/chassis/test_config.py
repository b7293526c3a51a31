"""Configuration is read once, typed, checked, and told in full where it is wrong."""

from dataclasses import MISSING, FrozenInstanceError, dataclass
from pathlib import Path

import pytest

from services.chassis.config import ConfigError, describe, read, setting, settings
from services.chassis.server_config import ServerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    colour: str = setting("INNER_COLOUR", "red", "colour of the silks", choices=("red", "blue"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    inner: Inner
    address: str = setting("ADDRESS", doc="where the store is")
    lease_ms: int = setting("LEASE_MS", 3_000, "lease time", unit="ms", min=500, max=60_000)
    ratio: float = setting("RATIO", 0.5, "share", min=0, max=1)
    key_file: Path = setting("KEY_FILE", Path("key"), "key")  # noqa: RUF009 - setting() makes a field
    database_url: str = setting("DATABASE_URL", "", "database", secret=True)

    def __post_init__(self) -> None:
        if self.lease_ms > 10_000 and self.ratio == 1:
            raise ValueError("LEASE_MS above 10000 needs a RATIO below 1")


BROKEN = [
    ({}, ["ADDRESS is not set; it must be any value (where the store is)"]),
    ({"ADDRESS": ""}, ["ADDRESS is not set; it must be any value (where the store is)"]),
    ({"ADDRESS": "a", "LEASE_MS": "soon"}, ["LEASE_MS is 'soon'; it must be 500 to 60000 ms"]),
    ({"ADDRESS": "a", "LEASE_MS": "3.5"}, ["LEASE_MS is '3.5'; it must be 500 to 60000 ms"]),
    ({"ADDRESS": "a", "LEASE_MS": "499"}, ["LEASE_MS is '499'; it must be 500 to 60000 ms"]),
    ({"ADDRESS": "a", "LEASE_MS": "60001"}, ["LEASE_MS is '60001'; it must be 500 to 60000 ms"]),
    ({"ADDRESS": "a", "RATIO": "nan"}, ["RATIO is 'nan'; it must be 0 to 1"]),
    ({"ADDRESS": "a", "RATIO": "inf"}, ["RATIO is 'inf'; it must be 0 to 1"]),
    ({"ADDRESS": "a", "INNER_COLOUR": "mauve"}, ["INNER_COLOUR is 'mauve'; it must be one of red, blue"]),
    (
        {"LEASE_MS": "1", "RATIO": "2"},
        [
            "ADDRESS is not set; it must be any value (where the store is)",
            "LEASE_MS is '1'; it must be 500 to 60000 ms",
            "RATIO is '2'; it must be 0 to 1",
        ],
    ),
    ({"ADDRESS": "a", "LEASE_MS": "20000", "RATIO": "1"}, ["LEASE_MS above 10000 needs a RATIO below 1"]),
]


def test_settings_are_read_by_their_types() -> None:
    environ = {"ADDRESS": "db:1", "LEASE_MS": "500", "RATIO": "1", "KEY_FILE": "/k", "INNER_COLOUR": "blue"}
    assert read(Outer, environ) == Outer(
        inner=Inner(colour="blue"), address="db:1", lease_ms=500, ratio=1.0, key_file=Path("/k"), database_url=""
    )


def test_an_empty_variable_leaves_the_default() -> None:
    assert read(Outer, {"ADDRESS": "a", "LEASE_MS": ""}).lease_ms == 3_000


@pytest.mark.parametrize(("environ", "errors"), BROKEN)
def test_every_error_is_told_at_once(environ: dict[str, str], errors: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read(Outer, environ)
    assert sorted(caught.value.errors) == sorted(errors)


def test_a_configuration_does_not_change() -> None:
    config = read(Outer, {"ADDRESS": "a"})
    with pytest.raises(FrozenInstanceError):
        config.lease_ms = 1  # type: ignore[misc] # that is the point


def test_a_secret_is_masked_and_everything_else_is_shown() -> None:
    shown = describe(read(Outer, {"ADDRESS": "a", "DATABASE_URL": "postgresql://u:hunter2@h/d"}))
    assert shown == {
        "INNER_COLOUR": "red",
        "ADDRESS": "a",
        "LEASE_MS": 3_000,
        "RATIO": 0.5,
        "KEY_FILE": "key",
        "DATABASE_URL": "***",
    }


def test_a_secret_that_is_wrong_is_not_told() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Pin:
        pin: int = setting("PIN", 0, "pin", secret=True)

    with pytest.raises(ConfigError) as caught:
        read(Pin, {"PIN": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_secret_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "database-url"
    file.write_text("postgresql://u:hunter2@h/d\n")
    config = read(Outer, {"ADDRESS": "a", "DATABASE_URL_FILE": str(file)})
    assert config.database_url == "postgresql://u:hunter2@h/d"


def test_only_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "address"
    file.write_text("db:1")
    with pytest.raises(ConfigError, match="ADDRESS is not set"):
        read(Outer, {"ADDRESS_FILE": str(file)})


UNREADABLE = [
    ({"DATABASE_URL": "hunter2", "DATABASE_URL_FILE": "FILE"}, "DATABASE_URL and DATABASE_URL_FILE are both set"),
    ({"DATABASE_URL_FILE": "MISSING"}, "which cannot be read: No such file or directory"),
    ({"DATABASE_URL_FILE": "EMPTY"}, "which is empty"),
    ({"DATABASE_URL_FILE": "BYTES"}, "which cannot be read: it is no text"),
]


@pytest.mark.parametrize(("environ", "told"), UNREADABLE)
def test_a_secret_that_is_not_to_be_had_is_told(environ: dict[str, str], told: str, tmp_path: Path) -> None:
    (tmp_path / "FILE").write_text("hunter2")
    (tmp_path / "EMPTY").write_text("\n")
    (tmp_path / "BYTES").write_bytes(b"\xff\xfe")
    placed = {name: str(tmp_path / value) if name.endswith("_FILE") else value for name, value in environ.items()}
    with pytest.raises(ConfigError, match=told) as caught:
        read(Outer, {"ADDRESS": "a", **placed})
    assert "hunter2" not in str(caught.value)


def test_the_reference_lists_every_setting_with_its_default() -> None:
    assert [(known.env, known.allowed(), default) for known, default in settings(Outer)][:3] == [
        ("INNER_COLOUR", "one of red, blue", "red"),
        ("ADDRESS", "any value", MISSING),
        ("LEASE_MS", "500 to 60000 ms", 3_000),
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_access_can_be_off_on_loopback(host: str) -> None:
    assert read(ServerConfig, {"FURLONG_AUTH": "off", "FURLONG_HOST": host}).auth == "off"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.4", "game.furlong", "localhost.evil.example"])
def test_access_cannot_be_off_where_others_reach_the_server(host: str) -> None:
    with pytest.raises(ConfigError, match="needs a loopback FURLONG_HOST"):
        read(ServerConfig, {"FURLONG_AUTH": "off", "FURLONG_HOST": host})


def test_no_two_settings_of_a_server_share_a_variable() -> None:
    variables = [known.env for known, _ in settings(ServerConfig)]
    assert len(variables) == len(set(variables))
    assert all(known.doc for known, _ in settings(ServerConfig))
