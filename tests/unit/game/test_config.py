"""The game's settings are read once and told by their variables."""

import pytest

from services.chassis.config import ConfigError, describe, read
from services.game.config import GameConfig
from services.game.domain.beacon import QUICKNET

NEEDED = {"PERSIST_ADDRESS": "127.0.0.1:50053", "SEED_KEY_FILE": "/run/seed.key"}


def test_two_variables_are_needed_and_the_rest_has_defaults() -> None:
    config = read(GameConfig, NEEDED)

    assert (config.lease_ttl_ms, config.coalesce_queue_max) == (3_000, 20_000)
    assert (config.mailbox_frames_max, config.track_sweep_ms) == (32, 2_000)
    assert config.service_token_file == ""


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PERSIST_ADDRESS", ""),
        ("PERSIST_ADDRESS", "persist"),
        ("PERSIST_ADDRESS", "persist-1:50053,persist-2:50053"),
        ("CACHE_ADDRESS", "127.0.0.1:1,"),
        ("SEED_KEY_FILE", ""),
        ("LEASE_TTL_MS", "499"),
        ("LEASE_TTL_MS", "soon"),
        ("COALESCE_QUEUE_MAX", "0"),
        ("MAILBOX_FRAMES_MAX", "3"),
        ("TRACK_SWEEP_MS", "60001"),
    ],
)
def test_a_setting_that_cannot_be_is_told_by_its_variable(variable: str, value: str) -> None:
    with pytest.raises(ConfigError) as told:
        read(GameConfig, NEEDED | {variable: value})

    assert len(told.value.errors) == 1
    assert variable in told.value.errors[0]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BEACON_URLS", "api.drand.sh"),
        ("BEACON_URLS", "https://api.drand.sh,"),
        ("BEACON_CHAIN_HASH", "52db"),
        ("BEACON_PUBLIC_KEY", "AB" * 96),
        ("BEACON_NAME", "Quick Net"),
        ("BEACON_WAIT_MS", "5999"),
    ],
)
def test_a_beacon_that_cannot_be_is_told_by_its_variable(variable: str, value: str) -> None:
    with pytest.raises(ConfigError) as told:
        read(GameConfig, NEEDED | {"BEACON_URLS": "https://api.drand.sh"} | {variable: value})

    assert variable in told.value.errors[0]


def test_a_beacon_is_quicknet_unless_it_is_told_otherwise_and_none_is_asked_without_an_address() -> None:
    urls = "https://api.drand.sh, https://api2.drand.sh"
    config = read(GameConfig, NEEDED | {"BEACON_URLS": urls})

    assert config.beacon_mirrors == ("https://api.drand.sh", "https://api2.drand.sh")
    assert config.beacon_chain == QUICKNET
    assert read(GameConfig, NEEDED).beacon_mirrors == ()


def test_every_setting_is_shown_by_its_variable() -> None:
    assert set(NEEDED) < set(describe(read(GameConfig, NEEDED)))
