"""Where the replicas of a service are: `host:port`, with commas between them, and how gRPC is told.

gRPC balances over the addresses of one target: those that a single name resolves to, or a list of IP addresses.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address


def target(addresses: str) -> str:
    """Write the gRPC target for `addresses`. Raises ValueError where gRPC could not dial them.

    A single address may be a name, which may stand for several replicas itself. Several must be IP addresses of one
    family; IPv6 is written in brackets.
    """
    each = addresses.split(",")
    hosts = [_host(address) for address in each]
    if len(each) == 1:
        return addresses
    families = {_family(host) for host in hosts}
    if len(families) > 1:
        raise ValueError(f"{addresses!r} mixes IPv4 and IPv6")
    return f"{families.pop()}:{addresses}"


def _host(address: str) -> str:
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65_536):
        raise ValueError(f"{address!r} is not host:port")
    return host


def _family(host: str) -> str:
    try:
        ip = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise ValueError(f"{host!r} is a name; several addresses must be IP addresses, or one name for all") from None
    match ip:
        case IPv4Address():
            return "ipv4"
        case IPv6Address():
            return "ipv6"
