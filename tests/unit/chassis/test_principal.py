"""A principal may act for its own accounts, or for any."""

import pytest
from furlong.common.v1.policy_pb2 import Role

from services.chassis.principal import ANONYMOUS, DEVELOPMENT, Principal


@pytest.mark.parametrize(
    ("accounts", "account_id", "may"),
    [
        (set(), "a", False),
        ({"a"}, "a", True),
        ({"a"}, "b", False),
        ({"a", "b"}, "b", True),
        ({"*"}, "a", True),
        ({"a"}, "", False),
    ],
)
def test_a_principal_acts_for_the_accounts_it_names(accounts: set[str], account_id: str, may: bool) -> None:
    principal = Principal(subject="p", roles=frozenset(), accounts=frozenset(accounts))
    assert principal.may_act_for(account_id) is may


def test_nobody_has_no_role_and_a_developer_has_every_one() -> None:
    everything = [role for role in Role.values() if role not in (Role.ROLE_UNSPECIFIED, Role.ANYONE)]
    assert not ANONYMOUS.is_any_of(*everything)
    assert DEVELOPMENT.roles == set(everything)
    assert DEVELOPMENT.may_act_for("any account")
