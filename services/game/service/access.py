"""Whose tickets and accounts a caller may see or use. The token's roles were checked before; this is about ids.

What is another's is answered as if it did not exist, so that ids tell a stranger nothing.
"""

from collections.abc import Iterable

from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.policy_pb2 import Role

from services.chassis import principal
from services.chassis.refusal import Refusal


def require_own_accounts(account_ids: Iterable[str]) -> None:
    """Refuse the whole call with ACCOUNT_NOT_YOURS where the caller may not act for one of the accounts."""
    caller = principal.current()
    for account_id in account_ids:
        if not caller.may_act_for(account_id):
            raise account_not_yours(account_id)


def require_role(*roles: Role.ValueType) -> None:
    """Refuse with ROLE_MISSING who holds none of these roles, for what a method lets only some callers ask."""
    if not principal.current().is_any_of(*roles):
        wanted = ", ".join(sorted(Role.Name(role) for role in roles))
        raise Refusal(Reason.ROLE_MISSING, f"this needs one of: {wanted}", metadata={"roles": wanted})


def account_not_yours(account_id: str) -> Refusal:
    """Give the answer to who asks on behalf of an account that is not his."""
    return Refusal(
        Reason.ACCOUNT_NOT_YOURS,
        f"the token may not act for account {account_id}",
        metadata={"account_id": account_id},
    )


def own_terminal(named: str) -> str:
    """Give the terminal of a call: the token's, else the one that it names; TERMINAL_NOT_YOURS where they differ."""
    of_token = principal.current().terminal
    if named and of_token and named != of_token:
        raise Refusal(
            Reason.TERMINAL_NOT_YOURS,
            f"the token is of terminal {of_token}, not of {named}",
            metadata={"terminal": of_token},
        )
    return of_token or named


def may_read(account_id: str) -> bool:
    """Tell whether the caller may read what belongs to an account: its own, or anybody's for those who watch over."""
    caller = principal.current()
    return caller.may_act_for(account_id) or caller.is_any_of(Role.OPERATOR, Role.AUDITOR)


def may_take_back(account_id: str) -> bool:
    """Tell whether the caller may cancel an account's tickets: its own, or anybody's for an operator."""
    caller = principal.current()
    return caller.may_act_for(account_id) or caller.is_any_of(Role.OPERATOR)


def account_unknown(account_id: str) -> Refusal:
    """Give the answer to who asks for an account that is not there, or not his."""
    return Refusal(Reason.ACCOUNT_UNKNOWN, f"there is no account {account_id}", metadata={"account_id": account_id})


def ticket_unknown(ticket_id: str) -> Refusal:
    """Give the answer to who asks for a ticket that is not there, or not his."""
    return Refusal(Reason.TICKET_UNKNOWN, f"there is no ticket {ticket_id}", metadata={"ticket_id": ticket_id})
