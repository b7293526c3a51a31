"""The Merkle root against a slow tree written from RFC 6962, and the encoding of a leaf byte by byte."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest

from services.persist.domain.ticket import Line, Order
from services.persist.domain.ticket_proof import RootMismatch, prove
from services.persist.domain.tickets_root import EMPTY, leaf, path, root


def slow_root(hashes: Sequence[bytes]) -> bytes:
    """Split at the largest power of two below the number of leaves, as the RFC words it."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\x01" + slow_root(hashes[:split]) + slow_root(hashes[split:])).digest()


@pytest.mark.parametrize("leaves", [*range(35), 63, 64, 65, 200])
def test_the_root_is_that_of_the_tree_of_the_rfc(leaves: int) -> None:
    hashes = [sha256(bytes([n])).digest() for n in range(leaves)]
    assert root(hashes) == slow_root(hashes)


@pytest.mark.parametrize("leaves", [*range(1, 35), 63, 64, 65, 200])
def test_the_way_up_from_every_leaf_ends_at_the_root(leaves: int) -> None:
    hashes = [sha256(bytes([n])).digest() for n in range(leaves)]
    for place in range(leaves):
        found = hashes[place]
        for sibling, left in path(hashes, place):
            found = sha256(b"\x01" + (sibling + found if left else found + sibling)).digest()
        assert found == slow_root(hashes)


def test_tickets_that_were_changed_are_not_proved() -> None:
    orders = [
        Order(
            request_id=f"01234567-89ab-7def-8123-4567{n:08x}",
            account_id="fedcba98-7654-7210-8edc-ba9876543210",
            lines=(Line(market=1, selection=b"\x03", stake_minor=500 + n, price_hundredths=235),),
            stake_minor=500 + n,
            content_hash=b"",
            refusal=None,
            refusal_reason="",
        )
        for n in range(3)
    ]
    sub_roots = [root([leaf(order, 7) for order in orders]), sha256(b"another").digest()]
    asked: dict[str, Any] = {"round_id": 7, "ticket_id": orders[1].request_id, "sub_roots": sub_roots, "batch_place": 0}
    assert prove(batch=orders, tickets_root=root(sub_roots), **asked).order == orders[1]

    changed = [orders[0]._replace(lines=()), *orders[1:]]
    with pytest.raises(RootMismatch):
        prove(batch=changed, tickets_root=root(sub_roots), **asked)
    with pytest.raises(RootMismatch):
        prove(batch=orders, tickets_root=root(sub_roots[:1]), **asked)


def test_no_tickets_have_the_hash_of_nothing() -> None:
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_leaf_hashes_the_ticket_byte_by_byte() -> None:
    order = Order(
        request_id="01234567-89ab-7def-8123-456789abcdef",
        account_id="fedcba98-7654-7210-8edc-ba9876543210",
        lines=(
            Line(market=1, selection=b"\x03", stake_minor=500, price_hundredths=235),
            Line(market=2, selection=b"\x01\x28", stake_minor=1, price_hundredths=100_000_000),
        ),
        stake_minor=501,
        content_hash=b"",
        refusal=None,
        refusal_reason="",
    )
    encoded = bytes.fromhex(
        "00"
        "0123456789ab7def8123456789abcdef"
        "fedcba98765472108edcba9876543210"
        "0000000000000011"
        "0002"
        "01" "01" "03" "00000000000001f4" "000000eb"
        "02" "02" "0128" "0000000000000001" "05f5e100"
    )  # fmt: skip
    assert leaf(order, round_id=17) == sha256(encoded).digest()
