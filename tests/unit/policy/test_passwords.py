"""A password policy that is accepted can be kept, and is strong enough."""

import math
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leasehold.bundle import PasswordPolicy
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
