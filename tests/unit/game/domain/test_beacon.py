"""Rounds of a beacon by the time, with drand's own figures."""

from datetime import datetime
from hashlib import sha256

import pytest

from services.game.domain.beacon import MARGIN_MS, QUICKNET, randomness


def ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp()) * 1_000


@pytest.mark.parametrize(
    ("moment", "beacon_round"),
    [
        ("2026-04-20T00:00:00+00:00", 27_946_612),
        ("2026-04-20T12:30:45+00:00", 27_961_627),
        ("2023-08-23T15:09:27+00:00", 1),
        ("2023-08-23T15:09:26+00:00", 0),
        ("1970-01-01T00:00:00+00:00", 0),
    ],
)
def test_the_round_of_quicknet_at_a_time(moment: str, beacon_round: int) -> None:
    assert QUICKNET.round_at(ms(moment)) == beacon_round


@pytest.mark.parametrize("after_ms", range(0, 6_001, 250))
def test_the_round_that_decides_comes_after_the_lock_and_its_margin_and_is_the_first_to_do_so(after_ms: int) -> None:
    locks_at_ms = QUICKNET.time_ms(1_000) + after_ms
    beacon_round = QUICKNET.round_for(locks_at_ms)

    assert QUICKNET.time_ms(beacon_round) > locks_at_ms + MARGIN_MS >= QUICKNET.time_ms(beacon_round - 1)


def test_a_round_is_at_its_time() -> None:
    for beacon_round in (1, 2, 657_413):
        at_ms = QUICKNET.time_ms(beacon_round)
        assert (QUICKNET.round_at(at_ms - 1), QUICKNET.round_at(at_ms)) == (beacon_round - 1, beacon_round)


def test_the_randomness_is_the_hash_of_the_signature_and_nothing_without_one() -> None:
    assert randomness(b"signature") == sha256(b"signature").hexdigest()
    assert randomness(b"") == ""


def test_the_chain_hash_of_quicknet_is_made_of_its_key_its_genesis_and_its_period() -> None:
    group_hash = bytes.fromhex("f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e")
    made_of = QUICKNET.period_s.to_bytes(4, "big") + QUICKNET.genesis_s.to_bytes(8, "big")
    made_of += bytes.fromhex(QUICKNET.public_key) + group_hash + b"quicknet"

    assert sha256(made_of).hexdigest() == QUICKNET.chain_hash
