"""A URL is read or refused in one line; nothing leaves this host without a checked certificate."""

import ssl
from pathlib import Path

import pytest

from leasehold.plugin import EnginePermanent
from leasehold_plugins.mysql.address import read
from servers.certificates import self_signed


def test_a_url_has_a_host_a_port_and_perhaps_a_database() -> None:
    found = read("mysql://db.example.com:3307/my%20app")
    assert (found.host, found.port, found.database) == ("db.example.com", 3307, "my app")
    assert (read("mariadb://db").port, read("mysql://db/").database) == (3306, None)


@pytest.mark.parametrize(
    "host", ["db.example.com", "10.0.0.1", "127.evil.example", "[2001:db8::1]"]
)
def test_another_host_has_to_prove_its_name(host: str) -> None:
    context = read(f"mysql://{host}/app").tls()
    assert context is not None
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    "url",
    [
        "mysql://localhost",
        "mysql://127.0.0.1",
        "mysql://127.9.9.9",
        "mysql://[::1]",
        "mysql://?unix_socket=/run/s",
        "mysql://db.example.com?unix_socket=/run/s",
    ],
)
def test_this_host_has_nothing_to_prove(url: str) -> None:
    assert read(url).tls() is None


def test_this_host_proves_itself_where_an_authority_is_named(tmp_path: Path) -> None:
    authority, key = self_signed(tmp_path, "localhost")
    context = read(f"mysql://localhost?ssl_ca={authority}&ssl_cert={authority}&ssl_key={key}").tls()
    assert context is not None
    assert context.check_hostname


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("db.example.com:3306", "is not a MySQL URL; write mysql://host:3306/database"),
        ("postgresql://db", "is not a MySQL URL"),
        ("mysql://", "is not a MySQL URL"),
        ("mysql://db:many", "is not a MySQL URL"),
        ("mysql://root:pw@db", "write them as connection.username and connection.password"),
        ("mysql://db?sslmode=require", "unknown option sslmode; allowed are ssl_ca, ssl_cert"),
        ("mysql://db?ssl_key=/k", "ssl_key without ssl_cert"),
    ],
)
def test_what_is_no_address_is_told(url: str, words: str) -> None:
    with pytest.raises(EnginePermanent) as told:
        read(url)
    assert words in told.value.reason
    assert "pw" not in told.value.reason.replace("connection.password", "")


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(EnginePermanent, match="cannot be read as PEM"):
        read("mysql://db?ssl_ca=/nowhere.pem").tls()
