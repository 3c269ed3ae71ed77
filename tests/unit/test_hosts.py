"""Which hosts are this one, so that a password may go there without TLS, and which are one."""

import pytest

from leasehold.hosts import counted_as, is_loopback
from leasehold.model import Caller, TlsPeer


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_this_host_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["127.example", "127.0.0.1.example", "localhost.example", "::1.example", "10.0.0.1", ""]
)
def test_what_only_looks_like_it_is_another_host(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("192.0.2.7", "192.0.2.7"),
        ("unix:uid=7", "unix:uid=7"),
    ],
)
def test_all_addresses_that_a_host_of_ipv6_has_count_as_one(address: str, counted: str) -> None:
    assert counted_as(address) == counted
    peer = Caller.over_tls(TlsPeer(address=address))
    assert peer.origin == counted
    assert peer.seat == f"tls:address={counted}"


def test_a_certificate_is_counted_apart_from_its_address() -> None:
    peer = Caller.over_tls(TlsPeer(names=("dns:web",), address="2001:db8::1"))
    assert peer.seat == "tls:san=dns:web"
