"""A URL is read or refused in one line; nothing leaves this host without a checked certificate."""

import ssl

import pytest

from leasehold.plugin import EnginePermanent
from leasehold_plugins.mssql.address import read


def test_a_url_has_a_host_and_perhaps_a_port_and_a_database() -> None:
    found = read("mssql://db.example.com:1434/my%20app")
    assert (found.host, found.port, found.database) == ("db.example.com", 1434, "my app")
    assert (read("sqlserver://db").port, read("sqlserver://db").database) == (1433, "master")
    assert read("sqlserver://db?database=app").database == "app"


@pytest.mark.parametrize(
    "host", ["db.example.com", "10.0.0.1", "127.evil.example", "[2001:db8::1]"]
)
def test_another_host_has_to_prove_its_name(host: str) -> None:
    context = read(f"mssql://{host}/app").tls()
    assert context is not None
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_this_host_has_nothing_to_prove(host: str) -> None:
    assert read(f"mssql://{host}").tls() is None


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://db", "not a URL of SQL Server"),
        ("mssql:///app", "not a URL of SQL Server"),
        ("mssql://db:port", "not a URL of SQL Server"),
        ("mssql://sa:secret@db", "holds a user or a password"),
        ("mssql://db?encrypt=disable", "unknown option encrypt; allowed are ssl_ca, database"),
        ("mssql://db?ssl_ca=/nowhere", "a file that cannot be read as PEM"),
    ],
)
def test_what_is_wrong_is_told_without_the_secret(url: str, told: str) -> None:
    with pytest.raises(EnginePermanent, match=told) as found:
        read(url).tls()
    assert "secret" not in str(found.value)
