"""Chance as a port, so that a whole stack can be driven by one seed."""

import secrets
from typing import Protocol


class Chance(Protocol):
    """Where unpredictable bytes come from."""

    def bytes(self, n: int) -> bytes:
        """Give `n` bytes that nobody can foresee."""


class SystemChance:
    """The operating system's cryptographic generator."""

    def bytes(self, n: int) -> bytes:
        """Give `n` bytes that nobody can foresee."""
        return secrets.token_bytes(n)
