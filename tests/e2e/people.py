"""The people that the tests act as: a token for each."""

from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local.keys import KeyRing
from deploy.local.stack import LocalStack

ANY = ("*",)
EXPIRED_S = 600
"""Longer ago than any difference of clocks."""


class People:
    """Tokens that one stack's keys have signed, one of them expired, and one that they have not signed."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self.cashier = stack.token(roles=["CASHIER"], accounts=ANY)
        self.operator = stack.token(roles=["OPERATOR"], accounts=())
        self.everything = stack.token(roles=["PLAYER", "CASHIER", "OPERATOR", "AUDITOR"], accounts=ANY)
        self.service = stack.token(roles=["SERVICE"], accounts=ANY)
        self.expired = KeyRing(stack.token_file.parent / "keys").token(lifetime_s=-EXPIRED_S)
        with TemporaryDirectory() as folder:
            self.forged = KeyRing(Path(folder)).token()

    def till(self, account_id: str, *, terminal: str = "") -> str:
        """A cashier's token, for one till, bound to a terminal if one is named."""
        return self._stack.token(roles=["CASHIER"], accounts=[account_id], terminal=terminal)

    def player(self, account_id: str) -> str:
        """A player's token, for one account."""
        return self._stack.token(roles=["PLAYER"], accounts=[account_id])
