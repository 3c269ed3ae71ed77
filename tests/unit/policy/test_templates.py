"""A username_template dresses the computed name, and the result is still ours and still fits."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.leases.names import AccountNames, new_lease_id
from leasehold.policy.templates import CORE_LENGTH, faults

NAMES = AccountNames("deployment", b"k" * 32)
LEASE = new_lease_id("database/creds/app")
parts = st.text("abz_19", max_size=12)
templates = st.builds(
    "{}{}{}{}{}".format,
    parts,
    st.sampled_from(["", "{{timestamp}}"]),
    parts,
    st.sampled_from(["{{name}}", "{{username}}", "{{randomUsername}}"]),
    parts,
)


@given(templates)
def test_a_template_without_faults_makes_names_that_are_ours(template: str) -> None:
    name = NAMES.account(LEASE, template, issued_s=1_767_225_600)
    fits = name[0].isalpha() and len(name) <= 63
    assert fits == (not faults(template, 63))
    assert not fits or NAMES.is_ours(name)


@given(st.lists(st.text("aA1_-{} ", max_size=4) | st.just("{{name}}"), max_size=4).map("".join))
def test_nothing_but_plain_characters_gets_into_a_name(template: str) -> None:
    name = NAMES.account(LEASE, template, issued_s=1_767_225_600)
    assert faults(template, 63) or re.fullmatch("[a-z][a-z0-9_]*", name)


def test_the_core_is_as_long_as_is_counted_here() -> None:
    assert len(NAMES.core(LEASE)) == CORE_LENGTH


@pytest.mark.parametrize(
    "template",
    ["{{name}}", "app_{{name}}", "{{username}}_{{timestamp}}", "r2_{{randomUsername}}_x"],
)
def test_good_ones_have_no_faults(template: str) -> None:
    assert faults(template, 63) == []


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("app", "must stand in it once"),
        ("{{name}}{{name}}", "must stand in it once"),
        ("{{name}}{{timestamp}}{{timestamp}}", "twice"),
        ("{{role}}_{{name}}", "unknown placeholder {{role}}"),
        ("{{ name }}", "unknown placeholder {{ name }}"),
        ("App_{{name}}", "found 'App_'"),
        ("{{name}}; DROP", "found '; DROP'"),
        ("_{{name}}", "begin with a letter"),
        ("{{timestamp}}_{{name}}", "begin with a letter"),
        ("a" * 36 + "{{name}}", "64 characters; the target takes 63"),
    ],
)
def test_each_fault_is_named(template: str, words: str) -> None:
    [fault] = faults(template, 63)
    assert words in fault
