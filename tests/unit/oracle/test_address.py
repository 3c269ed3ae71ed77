"""A URL is read or refused in one line; nothing leaves this host without a checked certificate."""

import ssl

import pytest

from leasehold.plugin import EnginePermanent
from leasehold_plugins.oracle.address import read


def test_a_url_has_a_host_a_service_and_perhaps_a_port() -> None:
    found = read("oracle://db.example.com:2500/app.internal")
    assert (found.host, found.port, found.service) == ("db.example.com", 2500, "app.internal")
    assert read("oracle://db/app").port == 2484
    assert read("oracle://localhost/app").port == 1521


@pytest.mark.parametrize("host", ["db.example.com", "10.0.0.1", "127.evil.example"])
def test_another_host_has_to_prove_its_name(host: str) -> None:
    context = read(f"oracle://{host}/app").tls()
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_this_host_has_nothing_to_prove(host: str) -> None:
    assert read(f"oracle://{host}/app").tls() is None


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://db/app", "not a URL of Oracle"),
        ("oracle://db", "not a URL of Oracle"),
        ("oracle://db:port/app", "not a URL of Oracle"),
        ("oracle://sys:secret@db/app", "holds a user or a password"),
        ("oracle://db/app?wallet=/x", "unknown option wallet; allowed are ssl_ca"),
        ("oracle://db/app?ssl_ca=/nowhere", "a file that cannot be read as PEM"),
    ],
)
def test_what_is_wrong_is_told_without_the_secret(url: str, told: str) -> None:
    with pytest.raises(EnginePermanent, match=told) as found:
        read(url).tls()
    assert "secret" not in str(found.value)
