"""Signatures of beacons are checked, and no mirror has to be trusted."""

import asyncio
import time
from collections.abc import Iterator
from hashlib import sha256

import pytest

from services.game.adapters.bls import is_key, is_signed
from services.game.adapters.drand import DrandBeacon
from services.game.domain.beacon import QUICKNET
from services.game.ports import BeaconSilent
from tests.beacon import LoopbackBeacon, beaconing, chain_of_tests, signed

QUICKNET_KEY = bytes.fromhex(QUICKNET.public_key)
ROUND_657413 = bytes.fromhex(
    "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b"
)
IDENTITY = b"\xc0" + b"\0" * 47


@pytest.fixture
def beacon() -> Iterator[LoopbackBeacon]:
    with beaconing(chain_of_tests(genesis_s=int(time.time()) - 100)) as served:
        yield served


def test_a_signature_of_quicknet_is_good_for_its_round_alone() -> None:
    assert is_signed(public_key=QUICKNET_KEY, beacon_round=657_413, signature=ROUND_657413)
    assert not is_signed(public_key=QUICKNET_KEY, beacon_round=657_414, signature=ROUND_657413)
    assert sha256(ROUND_657413).hexdigest() == "fc1873a13f3545aeade8401532ef5519920652eee6b0d2b19ca12643b87b3587"


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"\0" * 48,
        ROUND_657413[:-1],
        ROUND_657413 + b"\0",
        IDENTITY,
        b"\xff" * 48,
        bytes(48 * [0x80]),
        signed(657_413),
    ],
)
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    assert not is_signed(public_key=QUICKNET_KEY, beacon_round=657_413, signature=signature)


@pytest.mark.parametrize("key", [b"", QUICKNET_KEY[:-1], b"\xc0" + b"\0" * 95, b"\xff" * 96])
def test_what_is_no_key_is_refused(key: bytes) -> None:
    assert is_key(QUICKNET_KEY)
    assert not is_key(key)


async def test_a_round_whose_time_has_come_is_fetched_and_checked(beacon: LoopbackBeacon) -> None:
    asked = DrandBeacon(beacon.chain, [beacon.url + "/"])

    assert await asked.signature(50) == signed(50)
    assert is_signed(public_key=bytes.fromhex(asked.chain.public_key), beacon_round=50, signature=signed(50))


@pytest.mark.parametrize("mood", ["silent", "lying", "babbling", "nesting", "another"])
async def test_a_mirror_that_does_not_answer_as_it_should_is_silent(beacon: LoopbackBeacon, mood: str) -> None:
    beacon.mood = mood

    with pytest.raises(BeaconSilent):
        await DrandBeacon(beacon.chain, [beacon.url]).signature(50)


async def test_a_round_to_come_is_not_there(beacon: LoopbackBeacon) -> None:
    with pytest.raises(BeaconSilent):
        await DrandBeacon(beacon.chain, [beacon.url]).signature(10_000)


async def test_another_mirror_is_asked_and_the_one_that_answered_first_the_next_time(beacon: LoopbackBeacon) -> None:
    with beaconing(beacon.chain) as lying:
        lying.mood = "lying"
        asked = DrandBeacon(beacon.chain, ["http://127.0.0.1:1", lying.url, beacon.url])

        assert [await asked.signature(number) for number in (50, 51)] == [signed(50), signed(51)]
        assert (lying.asked, beacon.asked) == ([50], [50, 51])


async def test_asking_holds_nobody_up(beacon: LoopbackBeacon) -> None:
    turns = 0
    asking = asyncio.create_task(DrandBeacon(beacon.chain, [beacon.url]).signature(50))
    while not asking.done():
        turns += 1
        await asyncio.sleep(0)

    assert turns > 2
    assert await asking == signed(50)
