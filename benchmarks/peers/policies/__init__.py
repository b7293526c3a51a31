"""Policies that L1 is compared with, each behind the one method of `Policy`."""

from typing import Protocol


class Policy(Protocol):
    """A cache of which only the order is simulated. It is made with its bound in bytes."""

    def request(self, key: int, taken: int) -> bool:
        """Ask for a key; where it is not there, take it in with its bytes. Tells whether it was there."""
