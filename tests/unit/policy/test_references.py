"""What refers to a secret is told from what is one, and no fault quotes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.bundle import Reference
from leasehold.policy.connections import compile_connection
from leasehold.policy.references import SCHEMES, BadReference, parse

RULES = {
    "url": {"type": "string", "x-reference": True},
    "username": {"type": "string"},
    "password": {"$ref": "#/$defs/secret", "writeOnly": True},
    "timeout": {"x-duration": True},
    "port": {"type": "integer"},
}


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("env:PGPASSWORD", Reference("env", "PGPASSWORD")),
        ("file:/etc/leasehold/main", Reference("file", "/etc/leasehold/main")),
        ("systemd:main", Reference("systemd", "main")),
        ("exec:/usr/bin/pass show main", Reference("exec", "/usr/bin/pass show main")),
        ("correct-horse", None),
        ("https://db.internal", None),
        ("ENV:PGPASSWORD", None),
        ("", None),
    ],
)
def test_a_reference_has_one_of_four_schemes(text: str, reference: Reference | None) -> None:
    assert parse(text) == reference


@pytest.mark.parametrize(
    "text",
    [
        "env:",
        "env:NOT-A-NAME",
        "env:NAME\n",
        "file:",
        "file:relative/path",
        "systemd:",
        "systemd:../other",
        "exec:",
        "exec:pass show main",
        "exec:''",
        "exec:/bin/cat 'never closed",
    ],
)
def test_a_scheme_with_a_bad_target_is_refused(text: str) -> None:
    with pytest.raises(BadReference):
        parse(text)


@given(st.sampled_from([*(f"{scheme}:" for scheme in SCHEMES), "", "x:", "p://u:"]), st.text())
def test_no_fault_quotes_what_it_found(beginning: str, rest: str) -> None:
    mark = "s3cr3tmark"
    connection = dict.fromkeys(("url", "username", "password"), f"{beginning}{mark}{rest}@h")
    _, faults = compile_connection(connection, RULES)
    assert mark not in "".join(faults.values())


def test_secrets_become_references_and_durations_seconds() -> None:
    connection = {"url": "env:URL", "password": "file:/secret", "timeout": "1m30s", "port": 5432}
    made, faults = compile_connection(connection, RULES)
    assert not faults
    assert made == {
        "url": Reference("env", "URL"),
        "password": Reference("file", "/secret"),
        "timeout": 90,
        "port": 5432,
    }


def test_a_reference_stands_only_where_one_is_allowed() -> None:
    made, faults = compile_connection({"username": "env:NAME"}, RULES)
    assert not faults
    assert made == {"username": "env:NAME"}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://leasehold:hunter2@db/app",
        "postgresql://:hunter2@db/app",
        "postgresql://db/app?user=leasehold&password=hunter2",
        "host=db PASSWORD = hunter2",
        "postgresql://db/app?sslpassword=hunter2",
    ],
)
def test_a_password_in_a_text_is_found(url: str) -> None:
    _, faults = compile_connection({"url": url}, RULES)
    assert "by reference" in faults["url"]
    assert "hunter2" not in faults["url"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://leasehold@db:5432/app",
        "postgresql://[::1]:5432/app?sslmode=verify-full",
        "host=db user=leasehold passfile=/etc/pgpass",
        "postgresql://db:5432/app?application_name=a@b",
    ],
)
def test_what_holds_no_password_passes(url: str) -> None:
    assert compile_connection({"url": url}, RULES) == ({"url": url}, {})
