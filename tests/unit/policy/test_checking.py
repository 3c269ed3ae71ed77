"""What a schema forbids is told in words, at its place, and never with a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.policies import engine_type, lines, loaded
from leasehold.errors import ConfigError

HEAD = "engines:\n  one: {type: fake, connection: {host: one"
MARK = "s3cr3tmark"


def about_connection(rest: str) -> str:
    """The one problem with a connection that has `rest` too."""
    [line] = lines({"f": f"{HEAD}, {rest}}}}}\n"})
    return line


def about_role(options: str, **changes: object) -> list[str]:
    """The problems with a role of these options, without their places."""
    text = f"{HEAD}}}}}\nroles:\n  one/app: {{{options}}}\n"
    found = lines({"f": text}, {"fake": engine_type(**changes)})
    return [line.split(": ", 1)[1] for line in found]


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("port: '1'", "port: found a text; allowed is a whole number"),
        ("port: true", "port: found true; allowed is a whole number"),
        ("port: 0", "port: found 0; allowed is 1 or more"),
        ("port: 65536", "port: found 65536; allowed is 65535 or less"),
        ("mode: tsl", "mode: found a text; allowed are tls, plain; did you mean tls?"),
        ("timeout: 2m", "timeout: found a text; allowed is 1m or less"),
        ("timeout: soon", "timeout: found a text; allowed is a duration such as"),
        ("timeout: []", "timeout: found a list; allowed is a duration such as"),
        ("hosts: 5", "hosts: found a number, which is not allowed here"),
        ("hosts: [a, b]", "hosts[1]: found a text; allowed is 'a'"),
        ("prot: 5", "prot: unknown key; allowed are host, hosts, mode, password, port, timeout;"),
    ],
)
def test_a_rule_of_an_engine_type_is_told_in_words(rest: str, words: str) -> None:
    assert f"engines.one.connection.{words}" in about_connection(rest)


@given(
    st.sampled_from(["host", "password", "port", "mode", "timeout", "hosts", "unknown"]),
    st.sampled_from(["{}", "[{}]", "[a, {}]", "{{x: {}}}", "'{}'", "://u:{}@h", "12{}", "{}: x"]),
)
def test_no_problem_quotes_what_stands_in_a_connection(key: str, form: str) -> None:
    connection = f"{{{key}: {form.format(MARK)}}}"
    text = f"engines:\n  one: {{type: fake, connection: {connection}}}\n"
    assert MARK not in "".join(lines({"f": text}))


def test_a_connection_that_is_a_text_is_not_quoted() -> None:
    text = f"engines:\n  one: {{type: fake, connection: 'postgresql://u:{MARK}@h'}}\n"
    assert lines({"f": text}) == ["f:2:33: engines.one.connection: found a text; allowed is a map"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ('group: "app\\n"', "found 'app\\n'; allowed is what matches ^[a-z]+$"),
        ("digits: '\u0661'", "found '\u0661'"),
        ("words: one", "found 'one'; allowed is a list; write [one]"),
        ("words: [a, b, c]", "has 3 items; allowed are at most 2"),
    ],
)
def test_an_option_of_a_role_is_told_in_words(options: str, words: str) -> None:
    [line] = about_role(options)
    assert words in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("share: {within: 16m}", "share.within: found 16m; allowed is at most 15m: half of"),
        ("share: {within: 0}", "share.within: found 0; allowed is 1s or more"),
        (
            "default_ttl: 90s, share: {within: 1m}",
            "share.within: found 1m; allowed is at most 45s: half of default_ttl (90s), and 15m",
        ),
        ("share: {}", "share: lacks the key within"),
        ("share: {within: soon}", "share.within: found 'soon'; allowed is a duration"),
        (
            "bind: connection, share: {within: 1m}",
            "share: leases that end with a connection are not shared; take out share, or bind",
        ),
    ],
)
def test_a_span_to_share_within_is_short_and_is_not_of_a_connection(
    options: str, words: str
) -> None:
    [line] = about_role(options)
    assert words in line


@pytest.mark.parametrize("bind", ["none", "process", "unit"])
def test_leases_of_a_process_or_unit_may_be_shared(bind: str) -> None:
    assert about_role(f"bind: {bind}, share: {{within: 30m}}, default_ttl: 1h") != []
    assert about_role(f"bind: {bind}, share: {{within: 15m}}, default_ttl: 30m") == []


def test_own_keys_of_a_role_are_told_beside_those_of_its_engine() -> None:
    [line] = about_role("grup: app")
    assert line.endswith(
        "unknown key; allowed are annotate, bind, default_ttl, digits, drill, grace, group,"
        " max_leases, max_ttl, on_change, on_removal, overlap, password_policy, ready, require,"
        " share, username_template, warm, words; did you mean group?"
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("is odd", "f:4:3: roles.one/app: is odd"),
        ("group: is odd", "f:5:5: roles.one/app.group: is odd"),
        ("words[1]: is odd", "f:8:7: roles.one/app.words[1]: is odd"),
        ("max_ttl: is odd", "f:4:3: roles.one/app: max_ttl: is odd"),
    ],
)
def test_what_an_engine_says_stands_where_it_says(text: str, place: str) -> None:
    policy = f"{HEAD}}}}}\nroles:\n  one/app:\n    group: app\n    words:\n    - a\n    - b\n"
    types = {"fake": engine_type(faults=lambda _: [text], lint=lambda _: [text])}
    found = loaded({"f": policy}, types)
    assert [problem.line() for problem in found.problems] == [place]
    assert [warning.line() for warning in found.warnings] == [place]


def test_a_missing_driver_is_one_warning_at_the_engine() -> None:
    def missing(_: object) -> list[str]:
        raise ConfigError("pip install it")

    roles = "".join(f"  one/r{number}: {{group: app}}\n" for number in range(3))
    found = loaded({"f": f"{HEAD}}}}}\nroles:\n{roles}"}, {"fake": engine_type(faults=missing)})
    assert found.bundle is not None
    [warning] = found.warnings
    assert warning.line().startswith("f:2:15: engines.one.type: ")
    assert "pip install it" in warning.line()


def test_symbols_that_no_password_gets_are_a_warning() -> None:
    [warning] = loaded({"f": "password_policies:\n  p: {allowed_symbols: '-'}\n"}).warnings
    assert warning.line().startswith("f:2:7: password_policies.p.allowed_symbols: has no effect")


def test_paths_are_not_judged_while_a_role_is_in_doubt() -> None:
    text = f"{HEAD}}}}}\nroles:\n  tow/app: {{group: app}}\naccess:\n"
    text += "- {identities: [x], paths: [two/creds/app], verbs: [issue]}\n"
    assert [line.split(": ")[1] for line in lines({"f": text})] == [
        "roles.tow/app",
        "access[0].identities[0]",
    ]


@given(st.text(max_size=200))
def test_a_line_stays_one_line_whatever_a_key_holds(key: str) -> None:
    text = f'"{key.encode("unicode_escape").decode()}": 1\n'.replace('\\"', "")
    for line in lines({"f": text}):
        assert line.isprintable()
        assert len(line) < 320
