"""Names, passwords, addresses and TTLs of Vault in our words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.importing.hcl import NotUnderstood
from leasehold.importing.names import unique_names
from leasehold.importing.passwords import NoEqual, password_policy
from leasehold.importing.snapshot import Database
from leasehold.importing.targets import target
from leasehold.importing.ttls import lasted, mount_limits, role_ttls
from leasehold.policy.durations import seconds
from leasehold.policy.limits import limits_of, mount_faults, role_faults
from leasehold.policy.schemas import schema, validator

NAME = schema("policy")["$defs"]["name"]
LOWER, UPPER, DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"


# Names.


@given(st.dictionaries(st.text(max_size=70), st.text(max_size=70), max_size=8))
def test_every_name_is_one_of_ours_and_no_two_are_the_same(wanted: dict[str, str]) -> None:
    made = unique_names(wanted, ["sys"])
    assert made.keys() == wanted.keys()
    assert len({*made.values(), "sys"}) == len(made) + 1
    assert not [name for name in made.values() if list(validator(NAME).iter_errors(name))]
    assert made == unique_names(dict(reversed(wanted.items())), ["sys"])


def test_a_name_that_is_one_of_ours_stays_whatever_else_comes_near_it() -> None:
    names = ("App", "app", "a.b", "a-b")
    assert unique_names({name: name for name in names}) == {
        "app": "app",
        "a-b": "a-b",
        "App": "app-2",
        "a.b": "a-b-2",
    }


# Addresses.

URL = "postgresql://{{username}}:{{password}}@"


@pytest.mark.parametrize(
    ("given", "url", "username"),
    [
        (URL + "db:5432/app", "postgresql://db:5432/app", ""),
        ("postgres://bob:xxxxx@db/app", "postgresql://db/app", "bob"),
        (URL + "db/a?sslmode=verify-full", "postgresql://db/a?sslmode=verify-full", ""),
        (URL + "127.0.0.1/a?sslmode=disable", "postgresql://127.0.0.1/a?sslmode=disable", ""),
        (URL + "db/a?sslmode=disable&pool_max_conns=4", "postgresql://db/a", ""),
        (URL + "one,two:5433/a", "postgresql://one,two:5433/a", ""),
        ("postgresql://b:p@ss/w@db/a", "postgresql://db/a", "b"),
        ("postgresql://b:p?w@db/a", "", ""),
        ("postgresql://db/a?user=eve&password=x", "postgresql://db/a", ""),
        ("postgresql://{{host}}/a", "", ""),
        ("host=db port=5433 user=bob password='a b' dbname=x", "postgresql://db:5433/x", "bob"),
        ("host=/run/pg dbname=x", "postgresql:///x?host=/run/pg", ""),
        ("dbname=x", "", ""),
        ("what is this", "", ""),
        ("jdbc:x", "", ""),
        ("", "", ""),
    ],
)  # fmt: skip
def test_an_address_loses_its_user_and_password(given: str, url: str, username: str) -> None:
    found = target("postgresql", {"connection_url": given})
    assert (found.url, found.username) == (url, username)


FORMS = ("postgresql://u:{}@h/d", "postgresql://h/d?password={}", "host=h password='{}'")


@given(st.sampled_from(FORMS), st.text(alphabet="ab@:/?&=#{}' ", min_size=1))
def test_no_password_comes_through_an_address(form: str, rest: str) -> None:
    found = target("postgresql", {"connection_url": form.format(f"S3CRET{rest}")})
    assert "S3CRET" not in repr(found)


@given(st.text(alphabet="ab@:/?&=#{}' ", min_size=1))
def test_no_password_comes_through_an_address_of_oracle(rest: str) -> None:
    found = target("oracle", {"connection_url": f"u/S3CRET{rest}@//db:1521/app"})
    assert "S3CRET" not in repr(found)


def test_what_other_engines_call_an_address_is_one_too() -> None:
    mysql = {"connection_url": "{{username}}:{{password}}@tcp(db:3306)/shop?tls=true"}
    assert target("mysql", mysql).url == "mysql://db:3306/shop"
    mssql = {"connection_url": "sqlserver://{{username}}:{{password}}@db:1433"}
    assert target("mssql", mssql).url == "sqlserver://db:1433"
    for slashes in ("", "//"):
        oracle = {"connection_url": f"{{{{username}}}}/{{{{password}}}}@{slashes}db:1521/app.pdb"}
        assert target("oracle", oracle).url == "oracle://db:1521/app.pdb"
    mongo = {"connection_url": "mongodb://{{username}}:{{password}}@db:27017/admin?tls=true"}
    assert target("mongodb", mongo).url == "mongodb://db:27017/admin?tls=true"
    assert target("redis", {"host": "db", "port": 6379}).url == "redis://db:6379"
    assert target("redis", {"host": "db", "port": 6379, "tls": True}).url == "rediss://db:6379"
    assert target("elasticsearch", {"url": "http://e:9200", "username": "x"}).username == "x"


# Passwords.


def rules(length: int, *charsets: tuple[str, int]) -> str:
    return f"length = {length}\n" + "".join(
        f'rule "charset" {{ charset = "{charset}" min-chars = {least} }}\n'
        for charset, least in charsets
    )


def test_a_policy_of_all_kinds_is_ours() -> None:
    text = rules(30, (LOWER, 1), (UPPER, 2), (DIGITS, 3), ("-_", 4))
    assert password_policy("p", text).value == {
        "length": 30,
        "allowed_symbols": "-_",
        "required": {"digits": 3, "lowercase": 1, "symbols": 4, "uppercase": 2},
    }


def test_a_length_that_is_too_short_here_is_raised_and_told() -> None:
    entry = password_policy("p", rules(8, (LOWER + UPPER + DIGITS, 8)))
    assert entry.value == {"length": 20}
    assert "The source had length 8; 20 is the least here." in entry.comments


@pytest.mark.parametrize(
    "charsets",
    [
        [(LOWER, 1), (DIGITS, 1)],
        [(LOWER + UPPER + DIGITS, 0), ("abc", 1)],
        [(LOWER + UPPER + DIGITS, 0), ("-", 1), ("_", 1)],
        [(LOWER + UPPER + DIGITS, 5), ("-", 1)],
        [(LOWER + UPPER + DIGITS, 0), ("$%", 1)],
    ],
)
def test_what_ours_cannot_promise_is_not_taken(charsets: list[tuple[str, int]]) -> None:
    with pytest.raises(NoEqual):
        password_policy("p", rules(24, *charsets))


@pytest.mark.parametrize("text", ["", "length = 20", 'length = "x"', rules(20, ("", 1)), "{"])
def test_what_is_no_password_policy_is_not_understood(text: str) -> None:
    with pytest.raises(NotUnderstood):
        password_policy("p", text)


# TTLs.

spans = st.integers(0, 4_000 * 86_400)


@given(spans, spans, st.integers(1, 4_000 * 86_400), spans, spans)
def test_ttls_are_valid_and_never_longer_than_in_the_source(
    said_default_s: int, said_max_s: int, system_s: int, default_s: int, most_s: int
) -> None:
    database = Database(
        path="db",
        said_default_s=said_default_s,
        said_max_s=said_max_s,
        holds_default_s=said_default_s or system_s,
        holds_max_s=said_max_s or system_s,
        connections={},
        roles={},
        static_roles={},
    )
    role: dict[str, Any] = {"default_ttl": default_s, "max_ttl": most_s}
    limits = mount_limits(database)
    made = role_ttls(database, limits, role)
    assert list(mount_faults(limits, "db")) == []
    assert list(role_faults(made, limits, "db")) == []
    for span in (*limits.values(), *made.values()):
        assert 1 <= seconds(span) <= 3650 * 86_400
    theirs_default_s, theirs_max_s = lasted(database, role)
    holds = limits_of(made, limits)
    if "max_ttl" in {**limits, **made}:
        assert holds.max_ttl_s <= theirs_max_s
    if "default_ttl" in {**limits, **made}:
        assert holds.default_ttl_s <= theirs_default_s
