"""What a policy may ask of the way its credentials are handed out."""

import pytest

from fakes.policies import TYPES, engine_type, lines, loaded
from leasehold.handing import Ready

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
