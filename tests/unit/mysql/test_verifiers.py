"""Verifiers are what the servers would store themselves."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_plugins.mysql.verifiers import VERIFIERS, caching_sha2, native, sha256_crypt


@pytest.mark.parametrize(
    ("password", "salt", "digest"),
    [
        # From Drepper's specification, and from crypt(3) of glibc 2.36.
        ("Hello world!", "saltstring", "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
        ("x" * 70, "abcdefghijklmnop", "9Hb3FAWHMjTRmtGxp5A6xgyNw0NwnVFXs5ShXabRso2"),
        ("a", "b", "68iBXkZAVUdxRl3apYqaXSCYvIS95VAoCIRQJbGcjbA"),
        ("", "", "3c2QQ0KjIU1OLtB29cl8Fplc2WN7X89bnoEjaR7tWu."),
    ],
)
def test_sha256_crypt_is_that_of_crypt_3(password: str, salt: str, digest: str) -> None:
    assert sha256_crypt(password, salt) == digest


def test_the_native_verifier_is_that_of_the_servers_function() -> None:
    # SELECT PASSWORD('secret') at MariaDB 10.11.
    assert native("secret") == "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40))
def test_a_verifier_is_printable_and_holds_no_password(password: str) -> None:
    for make in VERIFIERS.values():
        assert re.fullmatch(r"[!-~]+", make(password))


def test_a_salt_is_drawn_for_each_password() -> None:
    made = {caching_sha2("the same") for _ in range(3)}
    assert len(made) == 3
    assert all(re.fullmatch(r"\$A\$005\$[A-Za-z0-9]{20}[./A-Za-z0-9]{43}", it) for it in made)
