"""Which host is this one, so that a secret may go there in clear; which are one host. Pure."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address (of IPv6 perhaps in brackets), never leaves this host.

    A name that only begins like such an address, `127.example`, is another host's.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def counted_as(address: str) -> str:
    """What limits count an address as: one of IPv6 as its network of 64 bits.

    Whoever has one address of such a network has all of them (RFC 6177). What is no address of a
    host, such as `unix:uid=1000`, is as it is.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    return str(ipaddress.IPv6Network((found, 64), strict=False))
