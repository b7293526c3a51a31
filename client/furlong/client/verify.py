"""Compute the result of a round again from its published proof, trusting nothing but this file.

Run it alone, with any Python from 3.11 on and nothing installed::

    curl -s localhost:8080/v1/rounds/17/proof | python verify.py -
    python verify.py proof.json --commitment <what the screen showed while betting was open>
    python verify.py proof.json --ticket ticket.json   # of GET /v1/tickets/<id>/proof

It shares no code with the service that draws: everything is written down in docs/fairness.md and done here a second
time. Steps are taken in order and end at the first that fails:

    1  complete    every field is there and well formed
    2  published   what you saw before (the commitment, the round) is what the proof says
    3  committed   SHA-256 of the seed is the commitment
    4  chained     SHA-256 as often as the seed's place says leads to the end of the track's chain
    5  beacon      its round came after the lock, its number is the hash of its signature, and the signature is good
    6  drawn       seed, round, beacon, ticket root and weights give the announced result
    7  ticket      your ticket, byte by byte, is under the ticket root

A round of no chain or without a beacon has no such step. The signature is checked with `bls.py` beside this file, which
is plain Python too; where it is not there, the step says that it was left out.

Exit codes: 0 proven, 1 refuted, 2 no proof to read.
"""

import argparse
import hashlib
import hmac
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

SEED_INDEX_MAX = 10_000_000
TICKET_LINES_MAX = 1_000
PATH_STEPS_MAX = 128
UNSIGNED_64_MAX = (1 << 64) - 1
UNSIGNED_32_MAX = (1 << 32) - 1
SIGNATURE_HEX = re.compile(r"(?:[0-9a-f]{96})?")
PUBLIC_KEY_HEX = re.compile(r"(?:[0-9a-f]{192})?")
BEACON_NAME = re.compile(r"(?:[a-z][a-z0-9-]{0,39})?")
UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MARKETS = {"WIN": 1, "PLACE": 2, "EACH_WAY": 3}

# The League of Entropy's beacon, as it publishes itself: key, time of round 1 and seconds between two rounds.
QUICKNET = (
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc2"
    "2b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
    1_692_803_367,
    3,
)

# What a proof does not rule out; said under every row of ticks, so that the ticks do not promise too much.
CAVEAT_WITHOUT_BEACON = (
    "operator-trusted: without a public beacon the house, which knows its own seed, could choose among results "
    "by adding tickets of its own before the lock"
)
CAVEAT_UNSIGNED_BEACON = "the beacon is taken as it stands in the proof: compare it with the beacon's own publication"
CAVEAT_UNKNOWN_BEACON = "the beacon's key is known from this proof alone: compare it with the beacon's own publication"
CAVEAT_KNOWN_BEACON = "nobody could know the draw before the lock; look out for rounds that were voided"


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
    seed_anchor: str
    seed_index: int
    beacon_name: str
    beacon_round: int
    beacon_signature: bytes
    beacon_public_key: bytes
    beacon_genesis_s: int
    beacon_period_s: int
    locks_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketProof:
    """A well-formed proof of a ticket. `path` holds the neighbours on the way up and whether each is the left one.

    `bets` are the lines in words: market, runners, stake in minor units and price in hundredths.
    """

    ticket_id: str
    round_id: int
    ticket: bytes
    bets: tuple[str, ...]
    path: tuple[tuple[bytes, bool], ...]
    tickets_root: str


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
    for check in (_check_commitment, _check_chain, _check_beacon, _check_draw):
        step = check(read)
        if step is not None:
            steps.append(step)
            if not step.passed:
                break
    return tuple(steps)


def verify_ticket(ticket_proof: Mapping[str, object], tickets_root: str, round_id: int, ticket_id: str = "") -> Step:
    """Check that a ticket is under the ticket root of a round, which the caller knows from elsewhere.

    With a `ticket_id`, it has to be that very ticket. Its bets are part of the leaf, so they are told: compare them.
    """
    try:
        read = read_ticket_proof(ticket_proof)
    except ProofMalformed as error:
        return Step(name="ticket", passed=False, detail=str(error))
    if read.round_id != round_id:
        return Step(name="ticket", passed=False, detail=f"the ticket is of round {read.round_id}, not {round_id}")
    if ticket_id and read.ticket_id != ticket_id.lower():
        return Step(
            name="ticket", passed=False, detail=f"this is the proof of ticket {read.ticket_id}, not {ticket_id}"
        )
    found = climb(read.ticket, read.path)
    if found != tickets_root:
        detail = f"the way up from ticket {read.ticket_id} ends at {found}, the root is {tickets_root}"
        return Step(name="ticket", passed=False, detail=detail)
    detail = f"ticket {read.ticket_id} ({'; '.join(read.bets)}) is under the root, {len(read.path)} steps up"
    return Step(name="ticket", passed=True, detail=detail)


def climb(ticket: bytes, path: Sequence[tuple[bytes, bool]]) -> str:
    """Hash a ticket and go up the tree: the root in hex."""
    found = hashlib.sha256(b"\x00" + ticket).digest()
    for sibling, left in path:
        found = hashlib.sha256(b"\x01" + (sibling + found if left else found + sibling)).digest()
    return found.hex()


def holds(steps: Sequence[Step]) -> bool:
    """Tell whether every step that was taken passed."""
    return all(step.passed for step in steps)


def caveat(proof: Mapping[str, object]) -> str:
    """Say what a proof that holds still leaves to trust."""
    if not proof.get("beacon"):
        return CAVEAT_WITHOUT_BEACON
    if not proof.get("beacon_signature") or signature_check() is None:
        return CAVEAT_UNSIGNED_BEACON
    return CAVEAT_KNOWN_BEACON if proof.get("beacon_name") == "quicknet" else CAVEAT_UNKNOWN_BEACON


def _check_commitment(proof: Proof) -> Step:
    found = hashlib.sha256(proof.server_seed).hexdigest()
    if not hmac.compare_digest(found, proof.commitment):
        detail = f"SHA-256(seed) is {found}, the commitment is {proof.commitment}: this is not the seed of the round"
        return Step(name="committed", passed=False, detail=detail)
    return Step(name="committed", passed=True, detail=f"SHA-256(seed) = {found}")


def _check_chain(proof: Proof) -> Step | None:
    if not proof.seed_anchor:
        return None
    found = proof.server_seed
    for _ in range(proof.seed_index):
        found = hashlib.sha256(found).digest()
    if found.hex() != proof.seed_anchor:
        detail = f"{proof.seed_index} times SHA-256 gives {found.hex()}, the chain ends at {proof.seed_anchor}"
        return Step(name="chained", passed=False, detail=detail)
    detail = f"seed {proof.seed_index} of the chain that ends at {proof.seed_anchor}"
    return Step(name="chained", passed=True, detail=detail)


def _check_beacon(proof: Proof) -> Step | None:
    if not proof.beacon_signature:
        return None
    problem = _beacon_problem(proof)
    if problem:
        return Step(name="beacon", passed=False, detail=problem)
    after_ms = _beacon_time_ms(proof) - proof.locks_at_ms
    detail = f"round {proof.beacon_round} of {proof.beacon_name}, {after_ms} ms after the lock"
    check = signature_check()
    if check is None:
        return Step(name="beacon", passed=True, detail=f"{detail}; its signature was not checked: bls.py is not there")
    if not check(proof.beacon_public_key, proof.beacon_round, proof.beacon_signature):
        return Step(name="beacon", passed=False, detail=f"{detail}, is not signed under the beacon's key")
    return Step(name="beacon", passed=True, detail=f"{detail}, signed under the beacon's key")


def _beacon_problem(proof: Proof) -> str:
    if hashlib.sha256(proof.beacon_signature).hexdigest() != proof.beacon:
        return f"the beacon is {proof.beacon}, which is not the hash of its signature"
    told = (proof.beacon_public_key.hex(), proof.beacon_genesis_s, proof.beacon_period_s)
    if proof.beacon_name == "quicknet" and told != QUICKNET:
        return "this is not the key or the time of quicknet"
    if _beacon_time_ms(proof) <= proof.locks_at_ms:
        return f"round {proof.beacon_round} was known {proof.locks_at_ms - _beacon_time_ms(proof)} ms before the lock"
    return ""


def _beacon_time_ms(proof: Proof) -> int:
    return (proof.beacon_genesis_s + (proof.beacon_round - 1) * proof.beacon_period_s) * 1_000


def signature_check() -> Callable[[bytes, int, bytes], bool] | None:
    """Find what checks a signature: `bls.py` of this package, or beside this file; None where there is neither."""
    for name in ("furlong.client.bls", "bls"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        check: Callable[[bytes, int, bytes], bool] = module.is_signed
        return check
    return None


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
        **_chain(fields),
        **_beacon(fields),
    )


def _chain(fields: Mapping[str, object]) -> dict[str, Any]:
    """Read where the seed is from; all of it is missing for a seed of no chain."""
    if not fields.get("seed_anchor"):
        return {"seed_anchor": "", "seed_index": 0}
    return {
        "seed_anchor": _hash("seed_anchor", fields.get("seed_anchor")),
        "seed_index": _integer("seed_index", fields.get("seed_index"), 1, SEED_INDEX_MAX),
    }


def _beacon(fields: Mapping[str, object]) -> dict[str, Any]:
    """Read where the beacon is from; all of it is missing without one, and has to be there with one."""
    least = 1 if fields.get("trust") == "PUBLIC_BEACON" or fields.get("beacon_signature") else 0
    read: dict[str, Any] = {
        name: bytes.fromhex(_text(name, fields.get(name, ""), form, "of its length in lower-case hex"))
        for name, form in (("beacon_signature", SIGNATURE_HEX), ("beacon_public_key", PUBLIC_KEY_HEX))
    }
    read["beacon_name"] = _text("beacon_name", fields.get("beacon_name", ""), BEACON_NAME, "a beacon's name")
    if least and not all(read.values()):
        raise ProofMalformed("beacon_signature, beacon_public_key, beacon_name: missing, though there is a beacon")
    for name in ("beacon_round", "beacon_period_s", "locks_at_ms"):
        read[name] = _integer(name, fields.get(name, 0), least, ROUND_ID_MAX)
    read["beacon_genesis_s"] = _integer("beacon_genesis_s", fields.get("beacon_genesis_s", 0), 0, ROUND_ID_MAX)
    return read


def read_ticket_proof(fields: Mapping[str, object]) -> TicketProof:
    """Read the proof of a ticket from its JSON form. Raise ProofMalformed."""
    round_id = _integer("round_id", fields.get("round_id"), 1, ROUND_ID_MAX)
    lines = _list("lines", fields.get("lines"))
    path = _list("path", fields.get("path", []))
    if not 1 <= len(lines) <= TICKET_LINES_MAX or len(path) > PATH_STEPS_MAX:
        raise ProofMalformed(f"{len(lines)} lines, {len(path)} steps: this is no ticket")
    ticket_id = _text("ticket_id", fields.get("ticket_id"), UUID_TEXT, "a UUID in lower case")
    account_id = _text("account_id", fields.get("account_id"), UUID_TEXT, "a UUID in lower case")
    ids = bytes.fromhex((ticket_id + account_id).replace("-", ""))
    head = ids + round_id.to_bytes(8, "big") + len(lines).to_bytes(2, "big")
    return TicketProof(
        ticket_id=ticket_id,
        round_id=round_id,
        ticket=head + b"".join(_line(f"lines[{n}]", line) for n, line in enumerate(lines)),
        bets=tuple(map(_bet, lines)),
        path=tuple(_path_step(f"path[{n}]", step) for n, step in enumerate(path)),
        tickets_root=_hash("tickets_root", fields.get("tickets_root")),
    )


def _line(name: str, line: object) -> bytes:
    """Write a bet as the bytes that its ticket's leaf is made of."""
    if not isinstance(line, Mapping):
        raise ProofMalformed(f"{name} is not an object")
    told = line.get("market")
    market = _integer(f"{name}.market", MARKETS.get(told, told) if isinstance(told, str) else told, 1, 255)
    runners = [
        _integer(f"{name}.runners[{n}]", runner, 1, RUNNER_NUMBER_MAX)
        for n, runner in enumerate(_list(f"{name}.runners", line.get("runners")))
    ]
    if not 1 <= len(runners) <= RUNNERS_MAX:
        raise ProofMalformed(f"{name}.runners: {len(runners)} of them")
    stake_minor = _integer(f"{name}.stake_minor", line.get("stake_minor"), 1, UNSIGNED_64_MAX)
    price = _integer(f"{name}.price_hundredths", line.get("price_hundredths"), 1, UNSIGNED_32_MAX)
    return bytes([market, len(runners), *runners]) + stake_minor.to_bytes(8, "big") + price.to_bytes(4, "big")


def _bet(line: Any) -> str:
    """Say a bet, which was read before, in words."""
    runners = "-".join(map(str, line["runners"]))
    return f"{line['market']} {runners}, stake_minor {line['stake_minor']}, price_hundredths {line['price_hundredths']}"


def _path_step(name: str, step: object) -> tuple[bytes, bool]:
    if not isinstance(step, Mapping):
        raise ProofMalformed(f"{name} is not an object")
    left = step.get("left", False)
    if not isinstance(left, bool):
        raise ProofMalformed(f"{name}.left: neither true nor false")
    return bytes.fromhex(_hash(f"{name}.sibling", step.get("sibling"))), left


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
    terms = published.get("terms")
    if isinstance(terms, Mapping):
        seen["beacon"] = (terms.get("beacon", ""), proof.beacon_name)
        beacon_round = _integer("published beacon_round", terms.get("beacon_round", 0), 0, ROUND_ID_MAX)
        seen["beacon_round"] = (beacon_round, proof.beacon_round)
        seen["seed_anchor"] = (terms.get("seed_anchor", ""), proof.seed_anchor)
        seed_index = _integer("published seed_index", terms.get("seed_index", 0), 0, SEED_INDEX_MAX)
        seen["seed_index"] = (seed_index, proof.seed_index)
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


def _text_of(file: str) -> str:
    if file == "-":
        return sys.stdin.read(PROOF_BYTES_MAX + 1)
    with Path(file).open(encoding="utf-8") as content:
        return content.read(PROOF_BYTES_MAX + 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the proof in a file and print the steps; return the exit code."""
    parser = argparse.ArgumentParser(description="Compute the result of a Furlong round again from its proof.")
    parser.add_argument("proof", help="file with the proof as JSON, or - for standard input")
    parser.add_argument("--commitment", help="the commitment that was shown while betting was open, in hex")
    parser.add_argument("--ticket", help="file with the proof of a ticket of the round, as JSON")
    options = parser.parse_args(arguments)
    try:
        proof = load(_text_of(options.proof))
        ticket_proof = load(_text_of(options.ticket)) if options.ticket else None
    except (OSError, ValueError) as error:
        print(f"{options.proof}: {error}", file=sys.stderr)
        return 2
    steps = verify(proof, {"commitment": options.commitment.lower()} if options.commitment else None)
    if ticket_proof is not None and holds(steps):
        read = read_proof(proof)
        steps = (*steps, verify_ticket(ticket_proof, read.tickets_root, read.round_id))
    for step in steps:
        print(f"{'ok  ' if step.passed else 'FAIL'}  {step.name:<10} {step.detail}")
    if not holds(steps):
        print("refuted")
        return 1
    print(f"proven\nnote: {caveat(proof)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
