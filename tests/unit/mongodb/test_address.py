"""`connection.url`: what is taken, and that nothing is sent in clear to another host."""

import pytest
from pymongo.server_description import ServerDescription

from leasehold.importing.targets import target
from leasehold.plugin import EnginePermanent
from leasehold_plugins.mongodb.address import is_here, member, options

OTHER = ["mongodb://db.internal/", "mongodb://127.0.0.1,db.internal:27017/", "mongodb+srv://c.co/"]


@pytest.mark.parametrize("url", OTHER)
def test_another_host_is_reached_with_tls_whatever_is_said(url: str) -> None:
    assert options(url)["tls"] is True
    with pytest.raises(EnginePermanent, match="only TLS keeps the way to another host safe"):
        options(f"{url}?tls=false")
    with pytest.raises(EnginePermanent, match="only TLS keeps the way to another host safe"):
        options(f"{url}?ssl=false")


@pytest.mark.parametrize("host", ["127.0.0.1:27018", "localhost", "[::1]:27017", "%2Frun%2Fm.sock"])
def test_this_host_needs_no_tls_and_then_no_other_is_spoken_to(host: str) -> None:
    made = options(f"mongodb://{host}/")
    assert made["tls"] is False
    here, there = ServerDescription(("127.0.0.1", 1)), ServerDescription(("db.internal", 1))
    assert made["server_selector"]([here, there]) == [here]


@pytest.mark.parametrize("key", ["tlsCAFile", "tlsCertificateKeyFile"])
def test_files_for_tls_switch_it_on(key: str) -> None:
    made = options(f"mongodb://localhost/?{key}=/etc/x.pem")
    assert (made["tls"], made[key]) == (True, "/etc/x.pem")
    assert "server_selector" not in made


def test_a_name_that_begins_like_this_host_is_another() -> None:
    assert options("mongodb://127.0.0.1.evil.example/")["tls"] is True
    assert not is_here(("127.example", 27017))
    assert is_here(("/run/mongodb.sock", None))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://db/", "is no address"),
        ("mongodb:///", "is no address"),
        ("mongodb://[db/", "is no address"),
        ("mongodb://root:secret@db/", "has a user or a password in it"),
        ("mongodb://db/?tlsInsecure=true", "the option tlsInsecure; allowed are"),
        ("mongodb://db/?tlsAllowInvalidCertificates=true", "tlsAllowInvalidCertificates"),
        ("mongodb://db/?w=0", "the option w; allowed are"),
        ("mongodb://localhost/?tls=yes", "tls=yes; allowed are true and false"),
    ],
)
def test_what_is_not_understood_is_refused_without_quoting_a_secret(url: str, told: str) -> None:
    with pytest.raises(EnginePermanent, match=told) as refused:
        options(url)
    assert "secret" not in str(refused.value)


def test_the_database_in_the_address_is_where_the_administrator_lives() -> None:
    assert options("mongodb://localhost/admin")["authSource"] == "admin"
    assert options("mongodb://localhost/app?authSource=admin")["authSource"] == "admin"
    assert "authSource" not in options("mongodb://localhost/")


def test_an_address_of_vault_is_taken_as_it_is_imported() -> None:
    url = "mongodb://{{username}}:{{password}}@db-0.internal:27017/admin?ssl=true"
    found = target("mongodb", {"connection_url": url, "username": "vault"})
    made = options(found.url)
    assert (found.username, made["authSource"], made["tls"]) == ("vault", "admin", True)


def test_a_member_is_reached_alone_and_as_the_others_are() -> None:
    known = options("mongodb://db-0,db-1/?replicaSet=rs0&tlsCAFile=/ca.pem&authSource=admin")
    alone = member(known, ("fe80::1", 27018))
    assert alone["host"] == "mongodb://[fe80::1]:27018/"
    assert (alone["directConnection"], alone["tls"]) == (True, True)
    assert (alone["tlsCAFile"], alone["authSource"]) == ("/ca.pem", "admin")
    assert "replicaSet" not in alone
