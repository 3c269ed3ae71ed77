"""A password policy that is accepted can be kept, and is strong enough."""

import math
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fakes.policies import engine_type, loaded
from leasehold.bundle import PasswordPolicy
from leasehold.passwords import PasswordRules
from leasehold.plugin import make_password
from leasehold.policy.passwords import MIN_BITS, faults

KINDS = {
    "digits": string.digits,
    "lowercase": string.ascii_lowercase,
    "uppercase": string.ascii_uppercase,
}
policies = st.builds(
    PasswordPolicy,
    length=st.integers(20, 128),
    required=st.dictionaries(st.sampled_from([*KINDS, "symbols"]), st.integers(0, 40)),
    allowed_symbols=st.text("-_.~!#", max_size=8),
)


@given(policies)
def test_an_accepted_policy_is_kept_by_every_password(policy: PasswordPolicy) -> None:
    assume(not faults(policy))
    password = make_password(policy)
    kinds = {**KINDS, "symbols": policy.allowed_symbols}
    assert len(password) == policy.length
    for kind, count in policy.required.items():
        assert sum(char in kinds[kind] for char in password) >= count
    allowed = "".join(KINDS.values())
    if policy.required.get("symbols"):
        allowed += policy.allowed_symbols
    assert set(password) <= set(allowed)


def test_what_holds_without_a_policy_is_accepted() -> None:
    assert faults(PasswordPolicy()) == []


@given(st.integers(20, 128), st.integers(0, 128))
def test_digits_that_must_be_there_are_counted_as_digits(length: int, digits: int) -> None:
    assume(digits <= length)
    bits = digits * math.log2(10) + (length - digits) * math.log2(62)
    weak = bool(faults(PasswordPolicy(length=length, required={"digits": digits})))
    assert weak == (bits < MIN_BITS)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (PasswordPolicy(length=20, required={"digits": 21}), "requires 21 characters"),
        (PasswordPolicy(required={"symbols": 1}, allowed_symbols=""), "allows none"),
        (PasswordPolicy(required={"symbols": 1}, allowed_symbols="-_-"), "holds - more than once"),
        (PasswordPolicy(length=20, required={"digits": 20}), "66 bits, at least 110"),
    ],
)
def test_each_fault_is_named(policy: PasswordPolicy, words: str) -> None:
    [fault] = faults(policy)
    assert words in fault


POLICY = """\
engines:
  one: {type: fake, mount: db, connection: {host: a}}
roles:
  one/app: {password_policy: long}
  one/plain: {}
password_policies:
  long: {length: 64, required: {symbols: 2}, allowed_symbols: "-!@"}
"""


def told(rules: PasswordRules) -> tuple[list[str], list[str]]:
    """What is wrong, and what is doubtful, when a target has these rules."""
    found = loaded({"f": POLICY}, {"fake": engine_type(passwords=rules)})
    return [it.line() for it in found.problems], [it.line() for it in found.warnings]


def test_a_policy_longer_than_the_target_takes_is_refused_at_its_role() -> None:
    [line], _ = told(PasswordRules(max_length=40))
    assert line == (
        "f:4:30: roles.one/app.password_policy: policy long makes passwords of 64 characters;"
        " engines of type fake take 40 at most, so name a policy with length: 40 or less"
    )


def test_a_target_with_short_passwords_needs_a_policy_for_each_role() -> None:
    problems, _ = told(PasswordRules(max_length=24))
    assert len(problems) == 2
    assert "roles.one/plain: the policy that holds by default makes passwords of 32" in problems[1]


@pytest.mark.parametrize(
    ("symbols", "words"),
    [("-_", "with ! @; engines of type fake take the symbols -_"), ("", "with ! - @")],
)
def test_symbols_that_the_target_does_not_take_are_refused(symbols: str, words: str) -> None:
    [line], _ = told(PasswordRules(symbols=symbols))
    assert words in line


def test_what_some_versions_do_not_take_is_a_warning_where_it_was_chosen() -> None:
    problems, [line] = told(PasswordRules(safe_length=30))
    assert not problems
    assert "policy long makes passwords of 64 characters; some versions of fake take 30" in line


STANDING = """\
engines:
  one: {type: fake, mount: db, connection: {host: a}}
static_roles:
  one/app: {username: app, password_policy: long, rotation: {every: 30d}}
  one/plain: {username: plain, rotation: {every: 30d}}
password_policies:
  long: {length: 64, required: {symbols: 2}, allowed_symbols: "-!@"}
"""


@pytest.mark.parametrize(
    ("rules", "problem", "warning"),
    [
        (
            PasswordRules(max_length=40),
            "makes passwords of 64 characters; engines of type fake",
            "",
        ),
        (PasswordRules(symbols="-_"), "with ! @; engines of type fake take the symbols -_", ""),
        (PasswordRules(safe_length=30), "", "some versions of fake take 30 at most"),
        (PasswordRules(max_length=64, safe_length=64, symbols="-!@"), "", ""),
    ],
)
def test_the_policy_of_a_static_role_is_held_against_its_target_too(
    rules: PasswordRules, problem: str, warning: str
) -> None:
    kind = engine_type(passwords=rules, rotates=frozenset({"static"}))
    found = loaded({"f": STANDING}, {"fake": kind})
    place = "f:4:45: static_roles.one/app.password_policy: policy long "
    for lines, words in ((found.problems, problem), (found.warnings, warning)):
        assert [it.line()[: len(place)] for it in lines] == ([place] if words else [])
        assert all(words in it.line() for it in lines)


def test_a_policy_that_fits_is_not_spoken_of() -> None:
    assert told(PasswordRules(max_length=64, safe_length=64, symbols="-!@#")) == ([], [])
