"""Free ports of loopback."""

import socket

from deploy.local.ports import FIRST_PORT, LAST_PORT, LOOPBACK, free_port, is_free


def test_a_free_port_is_below_those_of_outgoing_connections() -> None:
    assert FIRST_PORT <= free_port() <= LAST_PORT


def test_no_port_is_given_twice() -> None:
    given = [free_port() for _ in range(500)]
    assert len(set(given)) == len(given)


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        assert not is_free(taken.getsockname()[1])
