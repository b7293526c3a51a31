"""Compute the result of a round again from its published proof, trusting nothing but this file.

Run it alone, with any Python from 3.11 on and nothing installed::

    curl -s localhost:8080/v1/rounds/17/proof | python verify.py -
    python verify.py proof.json --commitment <what the screen showed while betting was open>

It shares no code with the service that draws: everything is written down in docs/fairness.md and done here a second
time. Steps are taken in order and end at the first that fails:

    1  complete    every field is there and well formed
    2  published   what you saw before (the commitment, the round) is what the proof says
    3  committed   SHA-256 of the seed is the commitment
    4  drawn       seed, round, beacon, ticket root and weights give the announced result

Exit codes: 0 proven, 1 refuted, 2 no proof to read.
"""

import argparse
import hashlib
import hmac
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ALGORITHM = "furlong/draw/v1"
PROOF_BYTES_MAX = 1 << 20
RUNNERS_MIN, RUNNERS_MAX = 2, 40
RUNNER_NUMBER_MAX = 40
WEIGHT_MAX = 1_000_000_000
ROUND_ID_MAX = (1 << 63) - 1
UINT64_COUNT = 1 << 64

HASH_HEX = re.compile(r"[0-9a-f]{64}")
BEACON_HEX = re.compile(r"(?:[0-9a-f]{2}){0,256}")
TRACK_NAME = re.compile(r"(?=.{1,40}\Z)[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")

# What no proof of today rules out; said under every row of ticks, so that the ticks do not promise too much.
CAVEAT_WITHOUT_BEACON = (
    "operator-trusted: without a public beacon the house, which knows its own seed, could choose among results "
    "by adding tickets of its own before the lock"
)
CAVEAT_WITH_BEACON = "the beacon is taken as it stands in the proof: compare it with the beacon's own publication"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the check: what was looked at, whether it holds, and what was found."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A well-formed proof. `weights` maps a runner's number to its weight, in the order of the numbers."""

    round_id: int
    track: str
    commitment: str
    server_seed: bytes
    tickets_root: str
    beacon: str
    weights: Mapping[int, int]
    result: tuple[int, ...]


class ProofMalformed(ValueError):
    """The proof lacks a field, or a field is not what it has to be. The message names the field."""


def verify(proof: Mapping[str, object], published: Mapping[str, object] | None = None) -> tuple[Step, ...]:
    """Check a proof as the service tells it in JSON; `published` holds fields of the round as you saw them before.

    Returns the steps that were taken. The proof holds when all of them passed; after one that failed there is none.
    """
    try:
        read = read_proof(proof)
        differences = _differences(read, published) if published is not None else []
        correction = _correction(read, published) if published is not None else ""
    except ProofMalformed as error:
        return (Step(name="complete", passed=False, detail=str(error)),)
    steps = [
        Step(
            name="complete",
            passed=True,
            detail=f"round {read.round_id} on {read.track}, {len(read.weights)} runners, {ALGORITHM}",
        )
    ]
    if published is not None:
        detail = "; ".join(differences) or "the proof speaks of the round that you saw" + correction
        steps.append(Step(name="published", passed=not differences, detail=detail))
        if differences:
            return tuple(steps)
    steps.append(_check_commitment(read))
    if steps[-1].passed:
        steps.append(_check_draw(read))
    return tuple(steps)


def holds(steps: Sequence[Step]) -> bool:
    """Tell whether every step that was taken passed."""
    return all(step.passed for step in steps)


def caveat(proof: Mapping[str, object]) -> str:
    """Say what a proof that holds still leaves to trust."""
    return CAVEAT_WITH_BEACON if proof.get("beacon") else CAVEAT_WITHOUT_BEACON


def _check_commitment(proof: Proof) -> Step:
    found = hashlib.sha256(proof.server_seed).hexdigest()
    if not hmac.compare_digest(found, proof.commitment):
        detail = f"SHA-256(seed) is {found}, the commitment is {proof.commitment}: this is not the seed of the round"
        return Step(name="committed", passed=False, detail=detail)
    return Step(name="committed", passed=True, detail=f"SHA-256(seed) = {found}")


def _check_draw(proof: Proof) -> Step:
    order = finishing_order(draw_key(proof), proof.weights)
    drawn, announced = "-".join(map(str, order)), "-".join(map(str, proof.result))
    if order != proof.result:
        return Step(name="drawn", passed=False, detail=f"the draw gives {drawn}, announced was {announced}")
    return Step(name="drawn", passed=True, detail=f"the draw gives {drawn}, as announced")


# ---- the draw ------------------------------------------------------------------------------------------------------


def draw_key(proof: Proof) -> bytes:
    """Make the key of the draw: HMAC-SHA256 with the seed over all that was fixed before the seed was used."""
    message = f"{ALGORITHM}|{proof.track}|{proof.round_id}|{proof.beacon}|{proof.tickets_root}"
    return hmac.digest(proof.server_seed, message.encode("ascii"), "sha256")


def integers(key: bytes) -> Iterator[int]:
    """Yield the stream of the draw: unsigned 64-bit integers, four from each HMAC of a rising block number."""
    block_number = 0
    while True:
        block = hmac.digest(key, block_number.to_bytes(8, "big"), "sha256")
        for start in range(0, len(block), 8):
            yield int.from_bytes(block[start : start + 8], "big")
        block_number += 1


def below(limit: int, stream: Iterator[int]) -> int:
    """Draw an integer from 0 to limit - 1, each equally likely: integers that would favour some are thrown away."""
    fair_end = UINT64_COUNT - UINT64_COUNT % limit
    return next(number for number in stream if number < fair_end) % limit


def finishing_order(key: bytes, weights: Mapping[int, int]) -> tuple[int, ...]:
    """Draw the runners one after another, each with the chance weight / weight still in the race."""
    stream = integers(key)
    field = dict(sorted(weights.items()))
    order = []
    while len(field) > 1:
        runner = pick(below(sum(field.values()), stream), field)
        order.append(runner)
        del field[runner]
    return (*order, *field)


def pick(value: int, weights: Mapping[int, int]) -> int:
    """Find the first runner at which the weights, added up in the order of the numbers, exceed the value."""
    cumulative = 0
    for runner, weight in weights.items():
        cumulative += weight
        if cumulative > value:
            return runner
    raise AssertionError(f"{value} is not below the sum of the weights, {cumulative}")


# ---- reading -------------------------------------------------------------------------------------------------------


def read_proof(fields: Mapping[str, object]) -> Proof:
    """Read a proof from its JSON form (proto3 JSON: large integers are strings). Raise ProofMalformed."""
    if fields.get("algorithm") != ALGORITHM:
        raise ProofMalformed(f"algorithm is {fields.get('algorithm')!r}; this program knows {ALGORITHM!r}")
    weights = _weights(fields.get("runners"))
    return Proof(
        round_id=_integer("round_id", fields.get("round_id"), 1, ROUND_ID_MAX),
        track=_text("track", fields.get("track"), TRACK_NAME, "a track's name"),
        commitment=_hash("commitment", fields.get("commitment")),
        server_seed=bytes.fromhex(_hash("server_seed", fields.get("server_seed"))),
        tickets_root=_hash("tickets_root", fields.get("tickets_root")),
        beacon=_text("beacon", fields.get("beacon", ""), BEACON_HEX, "lower-case hex, or empty"),
        weights=weights,
        result=_result(fields.get("result"), weights),
    )


def _weights(value: object) -> dict[int, int]:
    runners = _list("runners", value)
    if not RUNNERS_MIN <= len(runners) <= RUNNERS_MAX:
        raise ProofMalformed(f"runners: {len(runners)} of them; a race has {RUNNERS_MIN} to {RUNNERS_MAX}")
    weights: dict[int, int] = {}
    for position, entry in enumerate(runners):
        if not isinstance(entry, Mapping):
            raise ProofMalformed(f"runners[{position}] is not an object")
        number = _integer(f"runners[{position}].runner", entry.get("runner"), 1, RUNNER_NUMBER_MAX)
        if number in weights:
            raise ProofMalformed(f"runners[{position}].runner: number {number} is there twice")
        weights[number] = _integer(f"runners[{position}].weight", entry.get("weight"), 1, WEIGHT_MAX)
    return dict(sorted(weights.items()))


def _result(value: object, weights: Mapping[int, int]) -> tuple[int, ...]:
    numbers = _list("result", value)
    result = tuple(_integer(f"result[{i}]", number, 1, RUNNER_NUMBER_MAX) for i, number in enumerate(numbers))
    if sorted(result) != list(weights):
        raise ProofMalformed("result: it has to name every runner once")
    return result


def _list(name: str, value: object) -> list[object]:
    if not isinstance(value, list):
        raise ProofMalformed(f"{name}: " + ("missing" if value is None else "not a list"))
    return value


def _text(name: str, value: object, form: re.Pattern[str], meaning: str) -> str:
    if value is None:
        raise ProofMalformed(f"{name}: missing")
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ProofMalformed(f"{name}: not {meaning}")
    return value


def _hash(name: str, value: object) -> str:
    return _text(name, value, HASH_HEX, "32 bytes in lower-case hex")


def _integer(name: str, value: object, low: int, high: int) -> int:
    if value is None:
        raise ProofMalformed(f"{name}: missing")
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        value = int(value)
    # bool is an int in Python, but true is no number in a proof.
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ProofMalformed(f"{name}: not a whole number from {low} to {high}")
    return value


def _differences(proof: Proof, published: Mapping[str, object]) -> list[str]:
    """Compare the fields that were seen before with the proof; fields that were not seen are passed over."""
    seen: dict[str, tuple[object, object]] = {}
    if published.get("round_id"):
        seen["round_id"] = (_integer("published round_id", published["round_id"], 1, ROUND_ID_MAX), proof.round_id)
    if published.get("track"):
        seen["track"] = (published["track"], proof.track)
    if published.get("commitment"):
        seen["commitment"] = (published["commitment"], proof.commitment)
    if published.get("tickets_root"):
        seen["tickets_root"] = (published["tickets_root"], proof.tickets_root)
    if published.get("runners"):
        seen["weights"] = (_weights(published["runners"]), proof.weights)
    if published.get("result") and not published.get("correction_reason"):
        seen["result"] = (_result(published["result"], proof.weights), proof.result)
    return [f"{name} was {was}, the proof says {says}" for name, (was, says) in seen.items() if was != says]


def _correction(proof: Proof, published: Mapping[str, object]) -> str:
    """What is to be said of a round whose result was corrected: the proof is of the one that was drawn."""
    if not published.get("correction_reason"):
        return ""
    order = "-".join(map(str, _result(published.get("result"), proof.weights)))
    return f"; its result was corrected afterwards to {order}: {published['correction_reason']}"


# ---- the command ---------------------------------------------------------------------------------------------------


def load(text: str) -> Mapping[str, object]:
    """Read the JSON text of a proof, bare or as `GET /v1/rounds/{round_id}/proof` answers it. Raise ValueError."""
    if len(text) > PROOF_BYTES_MAX:
        raise ValueError(f"longer than {PROOF_BYTES_MAX} bytes: this is not a proof")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if isinstance(found, dict) and isinstance(found.get("proof"), dict):
        found = found["proof"]
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the proof in a file and print the steps; return the exit code."""
    parser = argparse.ArgumentParser(description="Compute the result of a Furlong round again from its proof.")
    parser.add_argument("proof", help="file with the proof as JSON, or - for standard input")
    parser.add_argument("--commitment", help="the commitment that was shown while betting was open, in hex")
    options = parser.parse_args(arguments)
    try:
        if options.proof == "-":
            text = sys.stdin.read(PROOF_BYTES_MAX + 1)
        else:
            with Path(options.proof).open(encoding="utf-8") as file:
                text = file.read(PROOF_BYTES_MAX + 1)
        proof = load(text)
    except (OSError, ValueError) as error:
        print(f"{options.proof}: {error}", file=sys.stderr)
        return 2
    steps = verify(proof, {"commitment": options.commitment.lower()} if options.commitment else None)
    for step in steps:
        print(f"{'ok  ' if step.passed else 'FAIL'}  {step.name:<10} {step.detail}")
    if not holds(steps):
        print("refuted")
        return 1
    print(f"proven\nnote: {caveat(proof)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
