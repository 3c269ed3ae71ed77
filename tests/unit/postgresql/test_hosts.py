"""Which hosts are this machine, so that a password may go there without TLS."""

import pytest

from leasehold_plugins.postgresql.pools import is_here


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "/run/pg", "@pg"])
def test_this_machine_is_known(host: str) -> None:
    assert is_here(host)


@pytest.mark.parametrize(
    "host", ["127.example", "127.0.0.1.example", "localhost.example", "::1.example", "10.0.0.1", ""]
)
def test_what_only_looks_like_it_is_another_machine(host: str) -> None:
    assert not is_here(host)
