import string
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from leasehold.plugin import PasswordPolicy, make_password, varied

KINDS = {
    "digits": string.digits,
    "lowercase": string.ascii_lowercase,
    "uppercase": string.ascii_uppercase,
}


@st.composite
def policies(draw: st.DrawFn) -> PasswordPolicy:
    required = draw(
        st.dictionaries(st.sampled_from([*KINDS, "symbols"]), st.integers(0, 8), max_size=4)
    )
    symbols = draw(st.text("-_.~!*", min_size=1, max_size=6))
    length = draw(st.integers(max(1, sum(required.values())), 64))
    return PasswordPolicy(length=length, required=required, allowed_symbols=symbols)


@given(policies())
def test_a_password_keeps_its_policy(policy) -> None:
    password = make_password(policy)
    assert len(password) == policy.length
    alphabets = {**KINDS, "symbols": policy.allowed_symbols}
    for kind, count in policy.required.items():
        assert sum(char in alphabets[kind] for char in password) >= count
    allowed = "".join(KINDS.values())
    if policy.required.get("symbols"):
        allowed += policy.allowed_symbols
    assert set(password) <= set(allowed)


@given(policies())
def test_a_varied_policy_asks_for_more_and_never_for_less_or_what_has_no_room(
    policy: PasswordPolicy,
) -> None:
    more = varied(policy)
    assert (more.length, more.allowed_symbols) == (policy.length, policy.allowed_symbols)
    assert policy.required.items() <= more.required.items()
    assert sum(more.required.values()) <= policy.length
    lacking = [kind for kind in KINDS if kind not in policy.required]
    if sum(policy.required.values()) + len(lacking) <= policy.length:
        assert all(more.required[kind] == 1 for kind in lacking)


def test_passwords_hold_nothing_that_needs_quoting_unless_asked_for() -> None:
    text = "".join(make_password(PasswordPolicy()) for _ in range(100))
    assert not set(text) & set("'\"\\%$ `:@/")


def test_passwords_do_not_repeat_and_every_place_takes_every_kind() -> None:
    policy = PasswordPolicy(length=12, required={"digits": 1})
    made = [make_password(policy) for _ in range(2_000)]
    assert len(set(made)) == len(made)
    for place in range(12):
        digits = sum(password[place].isdigit() for password in made)
        assert 150 < digits < 900, "the required digit is not always in one place"


def test_every_character_is_drawn() -> None:
    policy = PasswordPolicy(length=64, required={"symbols": 1}, allowed_symbols="-_.~")
    seen = Counter("".join(make_password(policy) for _ in range(200)))
    assert set(seen) == set(string.ascii_letters + string.digits + "-_.~")
