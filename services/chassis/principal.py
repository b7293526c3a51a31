"""Who is calling: what the access stage read from the token, for handlers to ask."""

from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Final

from furlong.common.v1.policy_pb2 import Role

ANY_ACCOUNT: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The caller: its name, what it is to Furlong, and the accounts that it may act for ("*" is any).

    `terminal` is the one that its token is bound to, empty where it is bound to none.
    """

    subject: str
    roles: frozenset[Role.ValueType]
    accounts: frozenset[str]
    terminal: str = ""

    def may_act_for(self, account_id: str) -> bool:
        """Tell whether the caller may bet on, read or change this account."""
        return account_id in self.accounts or ANY_ACCOUNT in self.accounts

    def is_any_of(self, *roles: Role.ValueType) -> bool:
        """Tell whether the caller holds one of these roles."""
        return not self.roles.isdisjoint(roles)


ANONYMOUS: Final = Principal(subject="", roles=frozenset(), accounts=frozenset())
"""A caller without a token, on a method that admits anyone."""

DEVELOPMENT: Final = Principal(
    subject="development",
    roles=frozenset((Role.PLAYER, Role.CASHIER, Role.OPERATOR, Role.AUDITOR, Role.SERVICE)),
    accounts=frozenset((ANY_ACCOUNT,)),
)
"""Everybody, where access is switched off, which only a server on loopback may do."""

_current: ContextVar[Principal] = ContextVar("furlong.principal")


def current() -> Principal:
    """Tell who makes the call that this task answers; LookupError outside a call."""
    return _current.get()


def current_subject() -> str:
    """Tell the caller's name for a log line; empty for a caller without a token, or not yet known."""
    return _current.get(ANONYMOUS).subject


def set_current(principal: Principal) -> Token[Principal]:
    """Make `principal` the caller for the rest of this task. Every call has a task of its own, so nothing resets it."""
    return _current.set(principal)
