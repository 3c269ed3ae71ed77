"""Roles become ACL rules, one argument each, and none says what is leasehold's to say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_plugins.redis import rules

NAME = "lhabcd_abcdefghijklmnop_abcd"
END = datetime(2030, 1, 1, tzinfo=UTC)
DIGEST = "0" * 64
patterns = st.lists(st.text("ab:*{}[]^&~%#>", min_size=1), min_size=1, max_size=3)


def test_a_role_is_patterns_first_and_commands_in_their_order() -> None:
    role = {
        "commands": ["+@all", "-@admin", "+config|get"],
        "channels": ["news"],
        "write_keys": ["in:*"],
        "read_keys": ["ref:*"],
        "keys": ["{{name}}:*", "{{ username }}"],
    }
    assert rules.creation(role, NAME, DIGEST, END) == [
        "reset",
        "resetchannels",
        *(f"~{NAME}:*", f"~{NAME}", "%R~ref:*", "%W~in:*", "&news"),
        *("+@all", "-@admin", "+config|get"),
        "(~leasehold-until:1893456000)",
        "on",
        f"#{DIGEST}",
    ]


@given(keys=patterns, channels=patterns)
def test_no_pattern_becomes_another_rule(keys: list[str], channels: list[str]) -> None:
    made = rules.rules({"keys": keys, "channels": channels, "commands": ["+get"]}, NAME)
    assert made == [*(f"~{key}" for key in keys), *(f"&{name}" for name in channels), "+get"]


@pytest.mark.parametrize(
    "said",
    [
        "~app:* +@read (~q +lpush)",
        ["~app:*", "+@read", "(~q +lpush)"],
        '["~app:*", "+@read", "(~q +lpush)"]',
        ['["~app:*", "+@read"]', "(~q", "+lpush)"],
    ],
)
def test_selectors_are_kept_by_a_renewal_in_every_form(said: Any) -> None:
    moved = rules.renewal({"creation_statements": said}, NAME, END + timedelta(seconds=1.9))
    assert moved == ["clearselectors", "(~q +lpush)", "(~leasehold-until:1893456001)"]


def test_a_renewal_says_nothing_that_revives_an_account() -> None:
    moved = rules.renewal({"commands": ["+@all"], "keys": ["*"]}, NAME, END)
    assert moved == ["clearselectors", "(~leasehold-until:1893456000)"]


@pytest.mark.parametrize(
    ("role", "told"),
    [
        ({}, "has neither of commands and creation_statements; write one of them"),
        (
            {"commands": ["+get"], "creation_statements": "+get"},
            "has both of commands and creation_statements; write one of them",
        ),
        (
            {"creation_statements": "+get", "keys": ["a"]},
            "keys: creation_statements has every rule of the account; add it there",
        ),
        (
            {"commands": ["+get"], "keys": ["{{expiration}}"]},
            "keys: unknown placeholder {{expiration}}; allowed are {{name}}, {{username}}, since"
            " leasehold sets the password, and the server knows no expiration",
        ),
        (
            {"creation_statements": '["+get"'},
            "creation_statements: begins as a JSON list and is none of texts",
        ),
        (
            {"creation_statements": "[1]"},
            "creation_statements: begins as a JSON list and is none of texts",
        ),
        (
            {"creation_statements": "  "},
            "creation_statements: has no rule; write ~pattern, +command and the like",
        ),
    ],
)
def test_a_recipe_that_says_too_little_or_much_is_told(role: dict[str, Any], told: str) -> None:
    assert rules.faults(role) == [told]


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("nopass", "nopass"),
        ("NOPASS", "nopass"),
        ("off", "off"),
        ("reset", "reset"),
        (">{{password}}", "unknown placeholder"),
        (">secret", ">…"),
        (f"#{DIGEST}", "#…"),
        ("(nopass", "nopass"),
    ],
)
def test_password_and_state_are_not_a_roles_to_say_and_are_not_shown(rule: str, shown: str) -> None:
    [told] = rules.faults({"creation_statements": ["+get", rule]})
    assert shown in told
    assert "secret" not in told


@pytest.mark.parametrize(
    ("commands", "warned"),
    [
        (["+@read"], False),
        (["+@all"], True),
        (["+@all", "-@admin"], False),
        (["+@all", "-@dangerous", "+acl|setuser"], True),
        (["+acl|whoami"], False),
        (["+acl"], True),
        (["-@all", "+get"], False),
    ],
)
def test_rules_that_let_an_account_make_accounts_are_warned_of(
    commands: list[str], warned: bool
) -> None:
    found = rules.lint({"commands": commands})
    assert bool(found) == warned
    assert rules.lint({"creation_statements": " ".join(commands)}) == [
        text.replace("commands: ", "creation_statements: ") for text in found
    ]


@pytest.mark.parametrize("name", ["default", "leasehold", "leasehold-target", "lh", "lhabcd_short"])
def test_other_names_are_not_ours(name: str) -> None:
    assert not rules.is_ours(name)


@pytest.mark.parametrize("name", [NAME, f"reports_{NAME}", f"{NAME}_1893456000"])
def test_computed_names_are_ours_dressed_or_not(name: str) -> None:
    assert rules.is_ours(name)
