"""What a policy may ask of the way its credentials are handed out."""

import pytest

from fakes.policies import TYPES, engine_type, lines, loaded
from leasehold.handing import Ready, Succession, WarmPool

HEAD = "engines:\n  one: {type: fake, mount: db, connection: {host: a}}\nroles:\n  one/app:\n"


def about(role: str, **changes: object) -> list[str]:
    return lines({"f": HEAD + role}, {"fake": engine_type(**changes)})


def test_a_credential_is_tried_as_often_as_the_role_says() -> None:
    found = loaded({"f": f"{HEAD}    ready: {{successes: 3, within: 10s}}\n"}, TYPES)
    assert found.bundle is not None
    assert found.bundle.roles["db", "app"].ready == Ready(3, 10)


def test_an_engine_that_cannot_log_in_has_no_such_gate() -> None:
    [line] = about("    ready: {within: 10s}\n", logs_in=False)
    assert line.endswith(
        "roles.one/app.ready: engines of type fake cannot try a credential; take out ready"
    )


@pytest.mark.parametrize(
    ("ready", "words"),
    [
        ("{within: 2m}", "found 2m; allowed is at most 40s, since a caller waits for it"),
        ("{successes: 3}", "lacks the key within"),
        ("{successes: 0, within: 5s}", "found 0"),
    ],
)
def test_what_cannot_be_waited_for_is_told(ready: str, words: str) -> None:
    [line] = about(f"    ready: {ready}\n")
    assert words in line


@pytest.mark.parametrize(
    ("role", "kept_s"),
    [("", 3_600), ("    default_ttl: 20m\n", 1_200), ("    default_ttl: 10s\n", 60)],
)
def test_an_unused_account_is_kept_as_long_as_one_that_is_used(role: str, kept_s: int) -> None:
    found = loaded({"f": f"{HEAD}{role}    warm: {{accounts: 5}}\n"}, TYPES)
    assert found.bundle is not None
    assert found.bundle.roles["db", "app"].warm == WarmPool(5, kept_s)


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("    warm: {accounts: 5, kept: 10s}\n", "found 10s; allowed is at least 1m"),
        ("    max_leases: 3\n    warm: {accounts: 5}\n", "found 5; max_leases of the role is 3"),
        ("    warm: {kept: 10m}\n", "lacks the key accounts"),
    ],
)
def test_a_shelf_that_cannot_be_kept_is_told(role: str, words: str) -> None:
    [line] = about(role)
    assert words in line


@pytest.mark.parametrize(
    ("role", "grace_s"), [("overlap: 10m", 600), ("overlap: 10m\n    grace: 2m", 120)]
)
def test_the_grace_is_as_long_as_the_overlap_if_nobody_says(role: str, grace_s: int) -> None:
    found = loaded({"f": f"{HEAD}    {role}\n"}, TYPES)
    assert found.bundle is not None
    assert found.bundle.roles["db", "app"].succession == Succession(600, grace_s)


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("overlap: 1h", "found 1h; allowed is less than default_ttl (1h)"),
        ("overlap: 1m\n    grace: 2h", "grace: found 2h; allowed is less than default_ttl (1h)"),
        ("grace: 1m", "has no effect without overlap; add that"),
    ],
)
def test_a_succession_that_cannot_be_is_told(role: str, words: str) -> None:
    [line] = about(f"    {role}\n")
    assert words in line
