"""Settings of the database that contradict each other are refused together, by their names."""

import pytest

from services.chassis.config import ConfigError, describe, read
from services.persist.config import PersistConfig

DATABASE = {"DATABASE_URL": "postgresql://user:secret@host/furlong", "FURLONG_AUTH": "off"}

CASES = [
    ({"DB_POOL_MIN": "11"}, ["DB_POOL_MAX"]),
    ({"DB_STATEMENT_TIMEOUT": "2500"}, ["DB_COMMAND_TIMEOUT must be longer than DB_STATEMENT_TIMEOUT"]),
    ({"DB_LOCK_TIMEOUT": "2001"}, ["DB_LOCK_TIMEOUT must be at most DB_STATEMENT_TIMEOUT"]),
    ({"DB_TRANSITION_TIMEOUT": "1999"}, ["DB_TRANSITION_TIMEOUT must be at least DB_STATEMENT_TIMEOUT"]),
    ({"DB_POOL_MIN": "11", "DB_COMMAND_TIMEOUT": "2000"}, ["DB_POOL_MAX", "DB_COMMAND_TIMEOUT"]),
]


@pytest.mark.parametrize(("settings", "named"), CASES)
def test_settings_that_contradict_each_other_are_refused_together(settings: dict[str, str], named: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        read(PersistConfig, DATABASE | settings)
    for words in named:
        assert words in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:secret@host/furlong",
        "postgresql://user:secret@host:5432/furlong",
        "postgresql://user:se:cret@[::1]:5432,host:65535/furlong",
        "postgresql:///furlong?host=/run/postgresql",
        "postgresql://[::1]/furlong",
    ],
)
def test_an_address_of_a_database_may_have_a_port_for_every_host(url: str) -> None:
    assert read(PersistConfig, DATABASE | {"DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:secret@host:here/furlong",
        "postgresql://user:secret@host:0/furlong",
        "postgresql://user:secret@host:65536/furlong",
        "postgresql://user:secret@host:5432,other:²/furlong",
        "postgresql://user:secret/furlong",
    ],
)
def test_a_port_that_is_none_is_refused_without_telling_the_password(url: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL names a port that is no number") as refused:
        read(PersistConfig, DATABASE | {"DATABASE_URL": url})
    assert "secret" not in str(refused.value)


def test_the_settings_are_shown_without_the_password() -> None:
    shown = describe(read(PersistConfig, DATABASE | {"DB_LOCK_TIMEOUT": "700", "DB_STATEMENT_CACHE": "0"}))
    assert shown["DATABASE_URL"] == "***"
    assert (shown["DB_LOCK_TIMEOUT"], shown["DB_STATEMENT_CACHE"], shown["DB_WRITER_ROLE"]) == (
        *(700, 0),
        "furlong_writer",
    )
