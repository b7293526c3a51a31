"""Seeds under AES-256-GCM: the store keeps what it cannot read.

sealed   0x01 || nonce (12 bytes) || ciphertext and tag
bound    ASCII "furlong/seed/v1|<track>|<commitment>", so that a sealed seed opens only in the round it was made for;
         for the checkpoints of a seed chain "chain <anchor>" stands in the place of the commitment
"""

from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.chassis.chance import Chance
from services.game.ports import SeedLost

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
VERSION: Final = b"\x01"


class KeyUnusable(Exception):
    """The key file is missing or holds no key; the message names the file and never what is in it."""


class AesGcmSeal:
    """The port `SeedSeal` with one key."""

    def __init__(self, key: bytes, chance: Chance) -> None:
        self._cipher = AESGCM(key)
        self._chance = chance

    def seal(self, *, seed: bytes, track: str, commitment: str) -> bytes:
        """Close a seed."""
        nonce = self._chance.bytes(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, seed, _bound(track, commitment))

    def unseal(self, *, sealed_seed: bytes, track: str, commitment: str) -> bytes:
        """Open a seed, or raise SeedLost."""
        version, nonce = sealed_seed[:1], sealed_seed[1 : 1 + NONCE_BYTES]
        if version != VERSION or len(nonce) != NONCE_BYTES:
            raise SeedLost(f"a sealed seed of {track} has no form that is known")
        try:
            return self._cipher.decrypt(nonce, sealed_seed[1 + NONCE_BYTES :], _bound(track, commitment))
        except InvalidTag as error:
            raise SeedLost(f"the seed of {track} with commitment {commitment} was sealed otherwise") from error


def read_key(file: Path) -> bytes:
    """Read a key of 32 bytes, written in hex. Raises KeyUnusable."""
    try:
        key = bytes.fromhex(file.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise KeyUnusable(f"{file} cannot be read as a key in hex ({type(error).__name__})") from None
    if len(key) != KEY_BYTES:
        raise KeyUnusable(f"{file} holds {len(key)} bytes, not {KEY_BYTES}")
    return key


def _bound(track: str, commitment: str) -> bytes:
    return f"furlong/seed/v1|{track}|{commitment}".encode("ascii")
