"""The stranger's verifier against the shared vectors, and against every way of bending a proof."""

import copy
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from furlong.client import verify

from services.game.domain.beacon import QUICKNET
from tests.beacon import chain_of_tests, signed
from tests.model import draw as model

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "draw.json").read_text())
DRAWS = [pytest.param(draw, id=draw["name"]) for draw in VECTORS["draws"]]
OTHER_HASH = "ab" * 32


def proof() -> dict[str, Any]:
    """The proof of the forty runners: so many orders that no change gives the same result by chance."""
    return copy.deepcopy(next(draw["proof"] for draw in VECTORS["draws"] if draw["name"] == "forty runners"))


def swap_first_two(result: list[int]) -> list[int]:
    return [result[1], result[0], *result[2:]]


def last_step(found: tuple[verify.Step, ...]) -> tuple[str, bool]:
    return found[-1].name, found[-1].passed


@pytest.mark.parametrize("draw", DRAWS)
def test_a_true_proof_holds_at_every_step(draw: dict[str, Any]) -> None:
    steps = verify.verify(draw["proof"])
    assert [(step.name, step.passed) for step in steps] == [("complete", True), ("committed", True), ("drawn", True)]
    assert verify.holds(steps)


@pytest.mark.parametrize("draw", DRAWS)
def test_the_key_and_the_stream_are_those_of_the_vectors(draw: dict[str, Any]) -> None:
    key = verify.draw_key(verify.read_proof(draw["proof"]))
    stream = verify.integers(key)
    assert key.hex() == draw["key"]
    assert [f"{next(stream):016x}" for _ in draw["words"]] == draw["words"]


@pytest.mark.parametrize("case", VECTORS["scaler"])
def test_a_number_that_would_favour_a_value_is_thrown_away(case: dict[str, Any]) -> None:
    words = iter([int(word, 16) for word in case["words"]])
    assert verify.below(case["total"], words) == case["value"]
    assert len(list(words)) == len(case["words"]) - case["words_used"]


@pytest.mark.parametrize("draw", DRAWS)
def test_runners_in_another_order_change_nothing(draw: dict[str, Any]) -> None:
    turned = {**draw["proof"], "runners": draw["proof"]["runners"][::-1]}
    assert verify.holds(verify.verify(turned))


@pytest.mark.parametrize(
    ("field", "value", "step"),
    [
        # what was bent      how                                  where it shows
        ("round_id",         "16",                                "drawn"),
        ("track",            "z-8",                               "drawn"),
        ("tickets_root",     OTHER_HASH,                          "drawn"),
        ("beacon",           OTHER_HASH,                          "drawn"),
        ("result",           swap_first_two(proof()["result"]),   "drawn"),
        ("server_seed",      OTHER_HASH,                          "committed"),
        ("commitment",       OTHER_HASH,                          "committed"),
        ("algorithm",        "furlong/draw/v2",                   "complete"),
        ("algorithm",        None,                                "complete"),
        ("round_id",         "0",                                 "complete"),
        ("round_id",         "017",                               "complete"),
        ("round_id",         "9223372036854775808",               "complete"),
        ("round_id",         17.0,                                "complete"),
        ("round_id",         True,                                "complete"),
        ("round_id",         None,                                "complete"),
        ("track",            "Z-9",                               "complete"),
        ("track",            "a|18",                              "complete"),
        ("track",            "a\n",                               "complete"),
        ("track",            "a" * 41,                            "complete"),
        ("commitment",       "AB" * 32,                           "complete"),
        ("server_seed",      "ab" * 31,                           "complete"),
        ("server_seed",      None,                                "complete"),
        ("tickets_root",     "",                                  "complete"),
        ("beacon",           "abc",                               "complete"),
        ("beacon",           7,                                   "complete"),
        ("runners",          [],                                  "complete"),
        ("runners",          {"runner": 1},                       "complete"),
        ("runners",          [1, 2],                              "complete"),
        ("runners",          [{"runner": 1, "weight": "1"}] * 2,  "complete"),
        ("runners",          [{"runner": n, "weight": "1"} for n in range(1, 42)], "complete"),
        ("result",           [1, 2, 3],                           "complete"),
        ("result",           [1] * 40,                            "complete"),
        ("result",           None,                                "complete"),
    ],
)  # fmt: skip
def test_a_bent_proof_fails_at_the_step_that_sees_it(field: str, value: object, step: str) -> None:
    bent = {**proof(), field: value}
    assert last_step(verify.verify(bent)) == (step, False)


@pytest.mark.parametrize("weight", ["0", "-1", "1000000001", "1.5", 1.0, None])
def test_a_weight_out_of_range_is_named(weight: object) -> None:
    bent = proof()
    bent["runners"][3]["weight"] = weight
    (step,) = verify.verify(bent)
    assert not step.passed
    assert "runners[3].weight" in step.detail


def test_a_changed_weight_changes_the_draw() -> None:
    bent = proof()
    bent["runners"][39]["weight"] = "1"
    assert last_step(verify.verify(bent)) == ("drawn", False)


def test_a_proof_without_the_beacon_field_is_a_proof_without_beacon() -> None:
    bare = proof()
    del bare["beacon"]
    assert verify.holds(verify.verify(bare))


@pytest.mark.parametrize("field", ["round_id", "track", "commitment", "tickets_root", "runners", "result"])
def test_a_proof_of_another_round_than_the_one_seen_is_refuted(field: str) -> None:
    seen = proof()
    seen["round_id"], seen["track"], seen["commitment"], seen["tickets_root"] = "3", "b", OTHER_HASH, OTHER_HASH
    seen["runners"][0]["weight"] = "77"
    seen["result"] = swap_first_two(seen["result"])
    steps = verify.verify(proof(), {field: seen[field]})
    assert last_step(steps) == ("published", False)
    assert len(steps) == 2


def test_a_corrected_round_is_proven_as_it_was_drawn_and_the_correction_is_told() -> None:
    corrected = swap_first_two(proof()["result"])
    steps = verify.verify(proof(), {"result": corrected, "correction_reason": "photo finish"})
    assert verify.holds(steps)
    assert f"corrected afterwards to {'-'.join(map(str, corrected))}: photo finish" in steps[1].detail


def test_a_correction_to_what_is_no_order_of_the_runners_is_refuted() -> None:
    steps = verify.verify(proof(), {"result": [1], "correction_reason": "photo finish"})
    assert last_step(steps) == ("complete", False)


def test_what_was_not_seen_before_is_passed_over() -> None:
    steps = verify.verify(proof(), {"commitment": proof()["commitment"], "result": [], "tickets_root": ""})
    assert [step.name for step in steps] == ["complete", "published", "committed", "drawn"]
    assert verify.holds(steps)


def test_every_proof_says_what_it_leaves_to_trust() -> None:
    assert "operator-trusted" in verify.caveat(proof())
    assert "beacon's own publication" in verify.caveat({**proof(), "beacon": OTHER_HASH})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "not JSON"),
        (" " * (verify.PROOF_BYTES_MAX + 1), "longer than"),
    ],
)
def test_text_that_is_no_proof_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        verify.load(text)


class TestTheFileAlone:
    """verify.py as a stranger runs it: no package, no site-packages, nothing but the standard library."""

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", verify.__file__, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)

    def test_it_proves_what_the_gateway_answers(self) -> None:
        done = self.run("-", stdin=json.dumps({"proof": proof()}))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("ok  ") == 3
        assert "operator-trusted" in done.stdout

    def test_it_refutes_a_commitment_that_was_not_the_one_shown(self, tmp_path: Path) -> None:
        file = tmp_path / "proof.json"
        file.write_text(json.dumps(proof()))
        assert self.run(str(file), "--commitment", proof()["commitment"].upper()).returncode == 0
        done = self.run(str(file), "--commitment", OTHER_HASH)
        assert done.returncode == 1
        assert "FAIL  published" in done.stdout

    def test_it_tells_a_missing_file_from_a_false_proof(self) -> None:
        done = self.run("nowhere.json")
        assert done.returncode == 2
        assert "nowhere.json" in done.stderr


# Seed chains, beacons and tickets

LAST_SEED = b"the last seed of a chain, 32 by."
BEACON = chain_of_tests(genesis_s=1_000, period_s=2)
BEACON_ROUND = 50
LOCKS_AT_MS = 1_096_500
RUNNERS: list[dict[str, Any]] = [{"runner": number, "weight": str(number * number)} for number in range(1, 41)]


def whole_proof(**bent: Any) -> dict[str, Any]:
    """The proof of a round with a chain and a beacon; `bent` fields are put in before its result is drawn."""
    seed = sha256(LAST_SEED).digest()
    signature = signed(BEACON_ROUND)
    fields: dict[str, Any] = {
        "round_id": "17",
        "track": "harbour-mile",
        "algorithm": "furlong/draw/v1",
        "trust": "PUBLIC_BEACON",
        "commitment": sha256(seed).hexdigest(),
        "server_seed": seed.hex(),
        "tickets_root": OTHER_HASH,
        "beacon": sha256(signature).hexdigest(),
        "runners": RUNNERS,
        "beacon_round": str(BEACON_ROUND),
        "beacon_signature": signature.hex(),
        "beacon_public_key": BEACON.public_key,
        "beacon_chain_hash": BEACON.chain_hash,
        "seed_anchor": sha256(sha256(seed).digest()).hexdigest(),
        "seed_index": "2",
        "beacon_name": "tests",
        "locks_at_ms": str(LOCKS_AT_MS),
        "beacon_genesis_s": "1000",
        "beacon_period_s": "2",
        **bent,
    }
    key = model.key(seed, "harbour-mile", 17, fields["beacon"], OTHER_HASH)
    numbers = [(number, number * number) for number in range(1, 41)]
    return {**fields, "result": model.finishing_order(numbers, model.words(key))}


def test_a_round_with_a_chain_and_a_beacon_is_proved_step_by_step() -> None:
    steps = verify.verify(whole_proof())

    assert [step.name for step in steps] == ["complete", "committed", "chained", "beacon", "drawn"]
    assert verify.holds(steps)
    assert "1500 ms after the lock, signed under the beacon's key" in steps[3].detail


@pytest.mark.parametrize(
    ("bent", "step"),
    [
        ({"seed_anchor": OTHER_HASH},                                     "chained"),
        ({"seed_index": "1"},                                             "chained"),
        ({"seed_index": "3"},                                             "chained"),
        ({"seed_index": "0"},                                             "complete"),
        ({"seed_index": "10000001"},                                      "complete"),
        ({"beacon": OTHER_HASH},                                          "beacon"),
        ({"beacon_round": "49"},                                          "beacon"),
        ({"beacon_round": "51"},                                          "beacon"),
        ({"locks_at_ms": "1098000"},                                      "beacon"),
        ({"beacon_name": "quicknet"},                                     "beacon"),
        ({"beacon_public_key": QUICKNET.public_key},                      "beacon"),
        ({"beacon_signature": signed(7).hex(), "beacon": sha256(signed(7)).hexdigest()}, "beacon"),
        ({"beacon_signature": ""},                                        "complete"),
        ({"beacon_signature": "ab"},                                      "complete"),
        ({"beacon_public_key": ""},                                       "complete"),
        ({"beacon_period_s": "0"},                                        "complete"),
        ({"beacon_name": "Quick Net"},                                    "complete"),
    ],
)  # fmt: skip
def test_a_bent_chain_or_beacon_is_found(bent: dict[str, Any], step: str) -> None:
    assert last_step(verify.verify(whole_proof(**bent))) == (step, False)


def test_terms_that_were_other_ones_when_the_round_opened_are_found() -> None:
    told = {"beacon": "tests", "beacon_round": "50", "seed_anchor": whole_proof()["seed_anchor"], "seed_index": "2"}
    assert verify.holds(verify.verify(whole_proof(), {"terms": told}))

    for name, value in (("beacon_round", "49"), ("seed_index", "1"), ("seed_anchor", OTHER_HASH), ("beacon", "")):
        assert last_step(verify.verify(whole_proof(), {"terms": {**told, name: value}})) == ("published", False)


def test_without_the_curve_the_step_and_the_caveat_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verify.caveat(whole_proof()) == verify.CAVEAT_UNKNOWN_BEACON
    assert verify.caveat(whole_proof(beacon_name="quicknet")) == verify.CAVEAT_KNOWN_BEACON
    monkeypatch.setattr(verify, "signature_check", lambda: None)
    steps = verify.verify(whole_proof())

    assert verify.holds(steps)
    assert "not checked" in steps[3].detail
    assert verify.caveat(whole_proof()) == verify.CAVEAT_UNSIGNED_BEACON


def ticket_proof(**bent: Any) -> dict[str, Any]:
    return {**copy.deepcopy(TICKET["proof"]), **bent}


TICKET: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "ticket.json").read_text())


def test_a_ticket_is_proved_byte_by_byte() -> None:
    read = verify.read_ticket_proof(TICKET["proof"])

    assert read.ticket.hex() == TICKET["ticket_bytes"]
    assert sha256(b"\0" + read.ticket).hexdigest() == TICKET["proof"]["leaf"]
    assert verify.verify_ticket(TICKET["proof"], TICKET["proof"]["tickets_root"], 17).passed


@pytest.mark.parametrize(
    "bent",
    [
        {"ticket_id": "01976f5e-8c00-7000-8000-000000000009"},
        {"account_id": "01976f5e-0000-7000-8000-0000000000ab"},
        {"round_id": "18"},
        {"lines": []},
        {"lines": [{"market": "WIN", "runners": [2], "stake_minor": "201", "price_hundredths": "235"}]},
        {"lines": [{"market": "NONE", "runners": [2], "stake_minor": "200", "price_hundredths": "235"}]},
        {"lines": ["WIN"]},
        {"path": []},
        {"path": TICKET["proof"]["path"][::-1]},
        {"path": [{"sibling": OTHER_HASH}]},
        {"path": [{"sibling": OTHER_HASH, "left": "yes"}]},
        {"path": ["left"]},
        {"path": [{"sibling": OTHER_HASH}] * 200},
        {"ticket_id": "a ticket"},
    ],
    ids=str,
)
def test_a_bent_ticket_is_found(bent: dict[str, Any]) -> None:
    step = verify.verify_ticket(ticket_proof(**bent), TICKET["proof"]["tickets_root"], 17)

    assert not step.passed


def test_a_ticket_tells_the_bets_that_are_under_the_root() -> None:
    step = verify.verify_ticket(
        TICKET["proof"], TICKET["proof"]["tickets_root"], 17, TICKET["proof"]["ticket_id"].upper()
    )
    assert step.passed
    assert "(WIN 2, stake_minor 200, price_hundredths 235) is under the root" in step.detail


def test_the_proof_of_another_ticket_than_was_asked_about_proves_nothing() -> None:
    asked = "01976f5e-8c00-7000-8000-000000000009"
    step = verify.verify_ticket(TICKET["proof"], TICKET["proof"]["tickets_root"], 17, asked)
    assert not step.passed
    assert f"not {asked}" in step.detail


def test_a_ticket_of_another_root_is_none_of_the_round() -> None:
    assert not verify.verify_ticket(TICKET["proof"], OTHER_HASH, 17).passed
