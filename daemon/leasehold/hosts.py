"""Which host is this one, so that a secret may go there in clear. Pure."""

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
