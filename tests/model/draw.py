"""A slow, obvious model of the draw "furlong/draw/v1", written from its description and from nothing else.

It knows no code of the services or of the client, so that both are measured against it. `python -m tests.model.draw`
writes the vectors in `tests/vectors/draw.json` again; a test asserts that they are what the model says.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ALGORITHM = "furlong/draw/v1"
VECTORS = Path(__file__).parent.parent / "vectors" / "draw.json"
WORD_VALUES = 2**64


def commitment(server_seed: bytes) -> str:
    """What is published before the first ticket, in hex."""
    return hashlib.sha256(server_seed).hexdigest()


def key(server_seed: bytes, track: str, round_id: int, beacon: str, tickets_root: str) -> bytes:
    """The key of one round's draw."""
    text = "|".join([ALGORITHM, track, str(round_id), beacon, tickets_root])
    return hmac.new(server_seed, text.encode("ascii"), hashlib.sha256).digest()


def words(draw_key: bytes) -> Iterator[int]:
    """The endless stream of 64-bit numbers under a key."""
    block_number = 0
    while True:
        block = hmac.new(draw_key, block_number.to_bytes(8, "big"), hashlib.sha256).digest()
        for start in (0, 8, 16, 24):
            yield int.from_bytes(block[start : start + 8], "big")
        block_number += 1


def below(total: int, numbers: Iterator[int]) -> int:
    """The next value below `total`, every one of them equally likely."""
    whole_copies_of_total = WORD_VALUES // total
    first_rejected = whole_copies_of_total * total
    for number in numbers:
        if number < first_rejected:
            return number % total
    raise ValueError("the numbers ended before one was usable")


def finishing_order(runners: list[tuple[int, int]], numbers: Iterator[int]) -> list[int]:
    """The order of `runners`, pairs of number and weight: one place after another, none drawn for the last."""
    left = sorted(runners)
    order: list[int] = []
    while len(left) > 1:
        value = below(sum(weight for _, weight in left), numbers)
        passed = 0
        for place, (runner, weight) in enumerate(left):
            passed = passed + weight
            if passed > value:
                order.append(runner)
                del left[place]
                break
    order.append(left[0][0])
    return order


def _case(name: str, track: str, round_id: int, root: str, weights: dict[int, int], beacon: str = "") -> dict[str, Any]:
    server_seed = hashlib.sha256(f"seed of the vector {name}".encode()).digest()
    draw_key = key(server_seed, track, round_id, beacon, root)
    numbers = words(draw_key)
    return {
        "name": name,
        # The proof as GET /v1/rounds/{round_id}/proof answers it: 64-bit numbers are strings in proto3 JSON.
        "proof": {
            "round_id": str(round_id),
            "track": track,
            "algorithm": ALGORITHM,
            "trust": "OPERATOR_TRUSTED",
            "commitment": commitment(server_seed),
            "server_seed": server_seed.hex(),
            "tickets_root": root,
            "beacon": beacon,
            "runners": [
                {"runner": runner, "name": f"Runner {runner}", "weight": str(weight), "win_price_hundredths": "0"}
                for runner, weight in sorted(weights.items())
            ],
            "result": finishing_order(list(weights.items()), words(draw_key)),
        },
        "key": draw_key.hex(),
        "words": [f"{next(numbers):016x}" for _ in range(6)],
    }


def _scaled(total: int, given: list[int]) -> dict[str, Any]:
    numbers = iter(given)
    value = below(total, numbers)
    return {
        "total": total,
        "words": [f"{number:016x}" for number in given],
        "value": value,
        "words_used": len(given) - len(list(numbers)),
    }


def vectors() -> dict[str, Any]:
    """All vectors: whole draws, and the scaler alone at the edges that no seed would reach in a lifetime."""
    empty_root = hashlib.sha256(b"").hexdigest()
    root = hashlib.sha256(b"some tickets").hexdigest()
    beacon = hashlib.sha256(b"some beacon").hexdigest()
    top = WORD_VALUES - 1
    large = 40_000_000_000
    return {
        "algorithm": ALGORITHM,
        "draws": [
            _case("two equal runners", "harbour-mile", 1, empty_root, {1: 1, 2: 1}),
            _case("the field of the notes", "harbour-mile", 17, root, {1: 29, 2: 34, 3: 11, 4: 7, 5: 14, 6: 5}),
            _case("numbers with holes", "city-sprint", 18, root, {2: 500, 3: 1, 7: 250, 40: 249}),
            _case("one runner nearly certain", "a", 19, root, {1: 1, 2: 1_000_000_000, 3: 1}),
            _case("forty runners", "z-9", 9_223_372_036_854_775_807, root, {n: n * n for n in range(1, 41)}),
            _case("forty greatest weights", "harbour-mile", 20, root, dict.fromkeys(range(1, 41), 1_000_000_000)),
            _case("with a beacon", "harbour-mile", 17, root, {1: 29, 2: 34, 3: 11, 4: 7, 5: 14, 6: 5}, beacon),
        ],
        "scaler": [
            _scaled(1, [top]),
            _scaled(2, [top]),
            _scaled(3, [top, 5]),
            _scaled(3, [top - 1]),
            _scaled(100, [WORD_VALUES // 100 * 100 - 1]),
            _scaled(100, [WORD_VALUES // 100 * 100, top, 199]),
            _scaled(large, [WORD_VALUES // large * large, large]),
            _scaled(large, [large - 1]),
            _scaled(2**32, [top]),
        ],
    }


def text() -> str:
    """The file of vectors, as it is written."""
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    VECTORS.write_text(text())
