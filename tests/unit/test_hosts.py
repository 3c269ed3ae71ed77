"""Which hosts are this one, so that a password may go there without TLS."""

import pytest

from leasehold.hosts import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_this_host_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["127.example", "127.0.0.1.example", "localhost.example", "::1.example", "10.0.0.1", ""]
)
def test_what_only_looks_like_it_is_another_host(host: str) -> None:
    assert not is_loopback(host)
