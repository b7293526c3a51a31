"""A stranger follows rounds that take a public beacon in, over REST, and proves them and his ticket by himself."""

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import furlong.client.verify as verifier
import pytest
from furlong.client import connect
from furlong.common.v1.round_pb2 import Program, Timetable, Track

from deploy.local.stack import StackSettings
from tests.beacon import LoopbackBeacon, beaconing, chain_of_tests
from tests.e2e import methods
from tests.e2e.command import furlong
from tests.e2e.doors import Answer, RestDoor, Wrong, doors
from tests.e2e.people import People
from tests.e2e.private_stack import PrivateStack, private_stack
from tests.e2e.racing import (
    CARD,
    FUNDS_MINOR,
    SETTLE_S,
    balance_minor,
    fresh_id,
    fresh_name,
    open_account,
    open_round,
    order,
    place,
    round_that_is,
    win_line,
)

WAIT_MS = 4_000
TIMES = Timetable(betting_window_ms=4_000, lock_ms=200, race_ms=300, finish_ms=700)


@pytest.fixture(scope="module")
def beacon() -> Iterator[LoopbackBeacon]:
    with beaconing(chain_of_tests(genesis_s=int(time.time()) - 1_000)) as served:
        yield served


@pytest.fixture(scope="module")
def racing(beacon: LoopbackBeacon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateStack]:
    chain = beacon.chain
    game = {
        "BEACON_URLS": f"http://127.0.0.1:1,{beacon.url}",
        "BEACON_NAME": chain.name,
        "BEACON_CHAIN_HASH": chain.chain_hash,
        "BEACON_PUBLIC_KEY": chain.public_key,
        "BEACON_GENESIS_S": str(chain.genesis_s),
        "BEACON_PERIOD_S": str(chain.period_s),
        "BEACON_WAIT_MS": str(WAIT_MS),
    }
    settings = StackSettings(data_dir=tmp_path_factory.mktemp("proof"), extra_env={"game": game})
    with private_stack(settings) as running:
        yield running


@pytest.fixture
async def door(racing: PrivateStack) -> AsyncIterator[RestDoor]:
    async with doors(racing.gateway) as (rest, _):
        yield rest


@pytest.fixture
async def track(racing: PrivateStack, beacon: LoopbackBeacon) -> AsyncIterator[str]:
    """A track whose rounds take the beacon in; it is stopped afterwards."""
    beacon.mood = "well"
    name = fresh_name("proof")
    asked = Track(
        track=name, display_name="Proof", currency="EUR", timetable=TIMES, program=Program(beacon=beacon.chain.name)
    )
    async with connect(racing.gateway, token=People(racing.stack).operator) as client:
        await client.tracks.create(asked)
        await client.tracks.import_race_cards(name, [CARD])
        yield name
        await client.tracks.pause(name, "its test is over")


def without_installation(folder: Path, proof: Answer, ticket_proof: Answer) -> str:
    """What the verifier says that runs alone, with its curve beside it."""
    for module in ("verify.py", "bls.py"):
        (folder / module).write_text((Path(verifier.__file__).parent / module).read_text())
    for name, answer in (("proof.json", proof), ("ticket.json", ticket_proof)):
        (folder / name).write_text(json.dumps(answer))
    alone = "import sys; sys.path.insert(0, '.'); import verify; sys.exit(verify.main())"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", alone, "proof.json", "--ticket", "ticket.json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_a_stranger_proves_a_round_its_beacon_and_his_ticket(
    racing: PrivateStack, door: RestDoor, track: str, beacon: LoopbackBeacon, tmp_path: Path
) -> None:
    people = People(racing.stack)
    account = await open_account(door, people.cashier)
    opened = await open_round(door, track, left_s=2.0)
    round_id = opened["round_id"]
    results = await place(door, people.cashier, round_id, *(order(account, win_line(1 + n, 100)) for n in range(3)))
    ticket_id = results[1]["request_id"]
    wanted = {"ticket_id": ticket_id}
    with pytest.raises(Wrong) as early:
        await door.call(methods.GET_TICKET_PROOF, wanted, token=people.cashier)
    settled = await round_that_is(door, round_id, "SETTLED", within_s=SETTLE_S)
    proof: dict[str, Any] = (await door.call(methods.GET_PROOF, {"round_id": round_id}))["proof"]
    ticket_proof = (await door.call(methods.GET_TICKET_PROOF, wanted, token=people.cashier))["proof"]
    chains = (await door.call(methods.LIST_SEED_CHAINS, {"track": track}))["chains"]

    assert early.value.reason == "PROOF_NOT_READY"
    assert proof["trust"] == "PUBLIC_BEACON"
    steps = (*verifier.verify(proof, opened), *verifier.verify(proof, settled))
    steps += (verifier.verify_ticket(ticket_proof, settled["tickets_root"], int(round_id)),)
    assert verifier.holds(steps), steps
    assert {step.name for step in steps} == {
        *("complete", "published", "committed", "chained", "beacon", "drawn", "ticket")
    }
    assert (chains[0]["anchor"], chains[0]["length"]) == (proof["seed_anchor"], "100000")
    assert "sealed_checkpoints" not in chains[0]
    said = without_installation(tmp_path, {"proof": proof}, {"proof": ticket_proof})
    assert "signed under the beacon's key" in said
    assert f"ticket {ticket_id} (WIN 2, " in said
    printed = furlong(racing.stack, "verify", "--ticket", ticket_id, token=people.cashier).stdout
    assert "proven" in printed

    following = await open_round(door, track)
    later = int(following["terms"]["seed_index"]) - int(opened["terms"]["seed_index"])
    assert later >= 1
    seed = bytes.fromhex(proof["server_seed"])
    if later == 1:
        assert following["commitment"] == seed.hex(), "each seed is the hash of the one after it"
    assert sha256(seed).hexdigest() == proof["commitment"]


async def test_a_ticket_s_proof_is_for_those_who_may_read_the_ticket(
    racing: PrivateStack, door: RestDoor, track: str
) -> None:
    people = People(racing.stack)
    account = await open_account(door, people.cashier)
    opened = await open_round(door, track, left_s=1.5)
    (placed,) = await place(door, people.cashier, opened["round_id"], order(account, win_line(1, 100)))
    wanted = {"ticket_id": placed["request_id"]}
    stranger = people.player(fresh_id())
    with pytest.raises(Wrong) as before:
        await door.call(methods.GET_TICKET_PROOF, wanted, token=stranger)
    await round_that_is(door, opened["round_id"], "LOCKED", "RUNNING", "FINISHED", "SETTLED")
    with pytest.raises(Wrong) as after:
        await door.call(methods.GET_TICKET_PROOF, wanted, token=stranger)
    own = await door.call(methods.GET_TICKET_PROOF, wanted, token=people.player(account))

    assert {before.value.reason, after.value.reason} == {"TICKET_UNKNOWN"}
    assert own["proof"]["account_id"] == account


async def test_a_beacon_that_stays_silent_voids_the_round_and_every_stake_goes_back(
    racing: PrivateStack, door: RestDoor, track: str, beacon: LoopbackBeacon
) -> None:
    people = People(racing.stack)
    account = await open_account(door, people.cashier)
    opened = await open_round(door, track, left_s=1.5)
    await place(door, people.cashier, opened["round_id"], order(account, win_line(1, 100)))
    beacon.mood = "lying"
    voided = await round_that_is(door, opened["round_id"], "VOID", within_s=SETTLE_S)
    beacon.mood = "well"
    named = opened["terms"]["beacon_round"]
    with pytest.raises(Wrong) as refused:
        await door.call(methods.GET_PROOF, {"round_id": opened["round_id"]})

    assert voided["void_reason"] == f"the beacon tests did not give its round {named} in time"
    assert await balance_minor(door, people.cashier, account) == FUNDS_MINOR
    assert refused.value.reason == "PROOF_NOT_READY"


async def test_a_track_whose_beacon_nobody_knows_is_refused(racing: PrivateStack, door: RestDoor) -> None:
    fields = {
        "request_id": fresh_id(),
        "track": {
            "track": fresh_name("proof"),
            "display_name": "Proof",
            "currency": "EUR",
            "program": {"beacon": "quicknet"},
        },
    }
    with pytest.raises(Wrong) as refused:
        await door.call(methods.CREATE_TRACK, fields, token=People(racing.stack).operator)

    assert refused.value.reason == "MALFORMED"
