"""Rights that each account gets for itself, and where their lists become too long."""

import pytest

from leasehold_plugins.postgresql import PostgresqlEngine

MAKE = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
FULL, SLOW = "full at about 2,400 accounts (SQLSTATE 54000)", "with 10,000 such accounts"


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ('GRANT SELECT ON items TO "{{name}}"', FULL),
        ('GRANT SELECT (id), UPDATE (id) ON public.items TO "{{name}}"', FULL),
        ('grant select on "database" to {{name}}', FULL),
        ('GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "{{name}}"', FULL),
        ('ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO "{{name}}"', FULL),
        ("DO $$ BEGIN EXECUTE 'GRANT SELECT ON items TO {{name}}'; END $$", FULL),
        ('GRANT CONNECT ON DATABASE app TO "{{name}}"', SLOW),
        ('GRANT USAGE ON SCHEMA public TO "{{name}}"', SLOW),
        ('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO "{{name}}"', SLOW),
        ('GRANT SET ON PARAMETER work_mem TO "{{name}}"', SLOW),
    ],
)
def test_rights_of_each_account_are_warned_of_with_their_number(statement: str, told: str) -> None:
    [warning] = PostgresqlEngine.lint({"creation_statements": [MAKE, statement]})
    assert warning.startswith("creation_statements: GRANT on ")
    assert told in warning
    assert warning.endswith("grant to a group role, use member_of")


def test_lists_of_both_kinds_are_told_apart() -> None:
    both = "GRANT CONNECT ON DATABASE app TO {{name}}; GRANT SELECT ON items TO {{name}}"
    full, slow = PostgresqlEngine.lint({"creation_statements": [MAKE, both]})
    assert FULL in full
    assert SLOW in slow


@pytest.mark.parametrize(
    "statement",
    [
        'GRANT app_readonly TO "{{name}}"',
        'GRANT app_readonly TO "{{name}}" WITH INHERIT OPTION',
        'REVOKE ALL ON SCHEMA public FROM "{{name}}"',
        "COMMENT ON ROLE {{name}} IS 'no grant on items'",
    ],
)
def test_membership_in_a_group_role_is_not_warned_of(statement: str) -> None:
    assert PostgresqlEngine.lint({"creation_statements": [MAKE, statement]}) == []
    assert PostgresqlEngine.lint({"member_of": ["app_readonly"]}) == []
