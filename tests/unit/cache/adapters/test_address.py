import ssl

import pytest

from services.cache.adapters.redis.address import Address, addresses

PLAIN = Address(host="h", port=6379, path="", username="", password="", database=0, tls=None)


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "username", "password", "database"),
    [
        ("redis://h", "h", 6379, "", "", "", 0),
        ("redis://:a%2Cb@h:7000/3", "h", 7000, "", "", "a,b", 3),
        ("redis://me:it@[::1]:7000", "::1", 7000, "", "me", "it", 0),
        ("unix:///run/redis.sock", "", 0, "/run/redis.sock", "", "", 0),
        ("unix://:it@/run/redis.sock?db=2", "", 0, "/run/redis.sock", "", "it", 2),
    ],
)
def test_an_address_tells_where_to_connect_and_what_to_say(
    url: str, host: str, port: int, path: str, username: str, password: str, database: int
) -> None:
    (read,) = addresses(url)
    assert read == Address(
        host=host, port=port, path=path, username=username, password=password, database=database, tls=None
    )


def test_an_encrypted_address_checks_whom_it_speaks_to_unless_told_otherwise() -> None:
    strict, lax = addresses("rediss://h,rediss://h?ssl_cert_reqs=none&ssl_check_hostname=false")
    assert strict.tls is not None
    assert lax.tls is not None
    assert (strict.tls.verify_mode, strict.tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (lax.tls.verify_mode, lax.tls.check_hostname) == (ssl.CERT_NONE, False)


def test_addresses_of_one_cluster_are_separated_by_commas() -> None:
    nodes = addresses("redis://:a,b@h:7000,redis://:a,b@h:7001")
    assert [(node.host, node.port, node.password) for node in nodes] == [("h", 7000, "a,b"), ("h", 7001, "a,b")]


def test_another_node_of_a_cluster_is_spoken_to_in_the_same_way() -> None:
    assert PLAIN.beside("other", 7001) == Address(
        host="other", port=7001, path="", username="", password="", database=0, tls=None
    )
    assert PLAIN.beside("", 7001).host == "h"


@pytest.mark.parametrize("url", ["http://h", "h:6379", "unix://", "redis://h,http://h"])
def test_what_is_no_address_is_an_error_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r"scheme|path|port"):
        addresses(url)
