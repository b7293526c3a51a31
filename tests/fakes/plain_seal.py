"""A seal that hides nothing, so that a test can read what was sealed; it can lose its key."""

from services.game.ports import SeedLost


class PlainSeal:
    def __init__(self) -> None:
        self.is_lost = False

    def seal(self, *, seed: bytes, track: str, commitment: str) -> bytes:
        return f"{track}|{commitment}|".encode() + seed

    def unseal(self, *, sealed_seed: bytes, track: str, commitment: str) -> bytes:
        bound = f"{track}|{commitment}|".encode()
        if self.is_lost or not sealed_seed.startswith(bound):
            raise SeedLost("lost")
        return sealed_seed.removeprefix(bound)
