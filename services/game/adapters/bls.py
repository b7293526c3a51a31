"""Signatures of drand's scheme "bls-unchained-g1-rfc9380": a signature in G1 of BLS12-381, the key in G2.

    e(signature, g2) = e(H(SHA-256(round)), public key),    H as RFC 9380 has it

The arithmetic is arkworks'; a check takes some milliseconds of a processor.
"""

from hashlib import sha256
from typing import Final

from py_arkworks_bls12381 import GT, G1Point, G2Point

DOMAIN: Final = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
ROUND_BYTES: Final = 8


def is_key(public_key: bytes) -> bool:
    """Tell whether this is a point of G2 that a signature can be checked under."""
    try:
        return G2Point.from_compressed_bytes(public_key) != G2Point.identity()
    except ValueError:
        return False


def is_signed(*, public_key: bytes, beacon_round: int, signature: bytes) -> bool:
    """Tell whether this is the signature of a beacon's round."""
    try:
        point, key = G1Point.from_compressed_bytes(signature), G2Point.from_compressed_bytes(public_key)
    except ValueError:  # no point of its group
        return False
    message = sha256(beacon_round.to_bytes(ROUND_BYTES, "big")).digest()
    return GT.pairing_check([point, G1Point.hash_to_curve(message, DOMAIN)], [-G2Point(), key])
