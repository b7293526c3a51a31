"""The curve in plain Python agrees with the library that the service uses, and with drand."""

from hashlib import sha256

import pytest
from furlong.client import bls
from py_arkworks_bls12381 import G1Point

from services.game.domain.beacon import QUICKNET
from tests.beacon import chain_of_tests, signed

QUICKNET_KEY = bytes.fromhex(QUICKNET.public_key)
ROUND_657413 = bytes.fromhex(
    "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b"
)


def test_a_signature_of_quicknet_is_good_for_its_round_alone() -> None:
    assert bls.is_signed(QUICKNET_KEY, 657_413, ROUND_657413)
    assert not bls.is_signed(QUICKNET_KEY, 657_414, ROUND_657413)


def test_a_signature_of_another_beacon_is_good_under_its_key_alone() -> None:
    key = bytes.fromhex(chain_of_tests(genesis_s=0).public_key)

    assert bls.is_signed(key, 7, signed(7))
    assert not bls.is_signed(QUICKNET_KEY, 7, signed(7))


@pytest.mark.parametrize("number", range(20))
def test_messages_are_hashed_to_the_points_of_the_standard(number: int) -> None:
    message = sha256(bytes([number])).digest()
    (x, _), (y, _) = bls.hash_to_curve(message)
    point = G1Point.hash_to_curve(message, bls.DOMAIN)

    assert (x.to_bytes(48, "big") + y.to_bytes(48, "big")).hex() == bytes(point.to_xy_bytes_be()).hex()


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        ROUND_657413[:-1],
        b"\0" * 48,
        b"\xc0" + b"\0" * 47,  # the point at infinity
        b"\xff" * 48,  # no number below P
        b"\x80" + b"\0" * 47,  # on the curve, but not of order R
        b"\x80" + b"\0" * 46 + b"\x01",
    ],
)
def test_what_is_no_point_of_the_group_is_no_signature(signature: bytes) -> None:
    assert not bls.is_signed(QUICKNET_KEY, 657_413, signature)


def test_what_is_no_key_checks_nothing() -> None:
    assert not bls.is_signed(b"\xc0" + b"\0" * 95, 657_413, ROUND_657413)
    assert not bls.is_signed(QUICKNET_KEY[:-1], 657_413, ROUND_657413)
