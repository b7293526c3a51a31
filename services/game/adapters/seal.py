"""Seeds under AES-256-GCM: the store keeps what it cannot read.

sealed   0x01 || nonce (12 bytes) || ciphertext and tag
bound    ASCII "furlong/seed/v1|<track>|<commitment>", so that a sealed seed opens only in the round it was made for;
         for the checkpoints of a seed chain "chain <anchor>" stands in the place of the commitment

There may be several keys, so that one can be replaced while the rounds and chains sealed under it are still needed: the
first seals, each of them opens.
"""

from collections.abc import Sequence
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
    """The port `SeedSeal`. Of `keys`, at least one, the first seals and each opens."""

    def __init__(self, keys: Sequence[bytes], chance: Chance) -> None:
        self._ciphers = [AESGCM(key) for key in keys]
        self._chance = chance

    def seal(self, *, seed: bytes, track: str, commitment: str) -> bytes:
        """Close a seed."""
        nonce = self._chance.bytes(NONCE_BYTES)
        return VERSION + nonce + self._ciphers[0].encrypt(nonce, seed, _bound(track, commitment))

    def unseal(self, *, sealed_seed: bytes, track: str, commitment: str) -> bytes:
        """Open a seed, or raise SeedLost."""
        version, nonce = sealed_seed[:1], sealed_seed[1 : 1 + NONCE_BYTES]
        if version != VERSION or len(nonce) != NONCE_BYTES:
            raise SeedLost(f"a sealed seed of {track} has no form that is known")
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(nonce, sealed_seed[1 + NONCE_BYTES :], _bound(track, commitment))
            except InvalidTag:
                continue
        raise SeedLost(f"the seed of {track} with commitment {commitment} was sealed otherwise")


def read_keys(file: Path) -> Sequence[bytes]:
    """Read keys of 32 bytes, written in hex, a line each; there is at least one. Raises KeyUnusable."""
    try:
        keys = [bytes.fromhex(line) for line in file.read_text("ascii").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise KeyUnusable(f"{file} cannot be read as keys in hex, a line each ({type(error).__name__})") from None
    if not keys:
        raise KeyUnusable(f"{file} holds no key")
    for place, key in enumerate(keys, start=1):
        if len(key) != KEY_BYTES:
            raise KeyUnusable(f"{file} holds {len(key)} bytes in the place of key {place}, not {KEY_BYTES}")
    return keys


def _bound(track: str, commitment: str) -> bytes:
    return f"furlong/seed/v1|{track}|{commitment}".encode("ascii")
