"""Addresses of replicas become the target that gRPC balances over."""

import pytest

from services.chassis.addresses import target


@pytest.mark.parametrize(
    ("addresses", "dialled"),
    [
        ("127.0.0.1:50053", "127.0.0.1:50053"),
        ("persist:50053", "persist:50053"),
        ("10.0.0.1:1,10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2"),
        ("[::1]:1,[::2]:2", "ipv6:[::1]:1,[::2]:2"),
    ],
)
def test_one_address_is_dialled_as_it_is_and_several_as_a_list(addresses: str, dialled: str) -> None:
    assert target(addresses) == dialled


@pytest.mark.parametrize(
    "addresses", ["", "persist", ":1", "persist:", "persist:0", "10.0.0.1:1,", "10.0.0.1:1, 10.0.0.2:2x"]
)
def test_what_is_not_host_and_port_is_refused(addresses: str) -> None:
    with pytest.raises(ValueError, match="not host:port"):
        target(addresses)


@pytest.mark.parametrize("addresses", ["a:1,b:2", "10.0.0.1:1,b:2"])
def test_several_names_are_refused(addresses: str) -> None:
    with pytest.raises(ValueError, match="is a name"):
        target(addresses)


def test_both_families_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="mixes"):
        target("10.0.0.1:1,[::1]:2")
