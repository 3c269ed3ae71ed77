"""Whatever a Vault has, what is written of it is a valid policy that says the same."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from fakes.policies import by_number, engine_type
from leasehold.bundle import EngineType
from leasehold.importing.bundle import import_bundle
from leasehold.importing.snapshot import Database, Login, Snapshot
from leasehold.importing.writing import GUIDE, files
from leasehold.importing.yaml_text import Entry, file_text
from leasehold.policy.files import read
from leasehold.policy.load import load

STATEMENTS = {"type": "array", "items": {"type": "string"}}
TEXT = {"type": "string"}
TYPES: dict[str, EngineType] = {
    "mysql": engine_type(
        "mysql",
        schema={
            "$defs": {
                "connection": {
                    "type": "object",
                    "required": ["url", "username"],
                    "additionalProperties": False,
                    "properties": {
                        "url": {**TEXT, "x-reference": True},
                        "username": TEXT,
                        "password": {**TEXT, "writeOnly": True},
                    },
                },
                "role": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "creation_statements": STATEMENTS,
                        "revocation_statements": STATEMENTS,
                    },
                },
            }
        },
    )
}
"""An engine type that takes any statements, so that nothing is left out."""

anything = st.text(max_size=12) | st.text(alphabet="ab{}:#'\"\n\t -?*&!|>%@`,[]", max_size=12)
names = st.text(min_size=1, max_size=12)
statements = st.lists(anything.filter(str.strip).filter(lambda text: "\0" not in text), max_size=3)


@given(st.dictionaries(names, statements, min_size=1, max_size=5), names)
@example({"a": ["text\n\n", "\n text"], "b": ["x"]}, "c")
def test_names_and_statements_come_back_from_the_loader_as_they_were(
    roles: dict[str, list[str]], connection: str
) -> None:
    details = {"username": "admin", "host": "db", "port": 3306}
    database = Database(
        path="database",
        said_default_s=0,
        said_max_s=0,
        holds_default_s=1,
        holds_max_s=1,
        connections={
            connection: {
                "plugin_name": "mysql-rds-database-plugin",
                "allowed_roles": "*",
                "connection_details": details,
            }
        },
        roles={
            name: {
                "db_name": connection,
                "creation_statements": made,
                "revocation_statements": made,
            }
            for name, made in roles.items()
        },
        static_roles={},
    )
    policies = {"all": 'path "database/creds/*" { capabilities = ["read"] }'}
    logins = [Login("approle", "approle", name, {"token_policies": ["all"]}) for name in roles]
    snapshot = _snapshot(database, policies, logins)
    draft = import_bundle(snapshot, TYPES)
    written = files(draft, snapshot, "http://vault.test")
    policy = [(name, text.encode()) for name, text in written.items() if name != GUIDE]
    loaded = load(policy, TYPES, by_number, {})
    assert [problem.line() for problem in loaded.problems] == []
    assert loaded.bundle is not None
    assert len(draft.places) == len(loaded.bundle.roles) == len(roles)
    assert len(loaded.bundle.identities) == len(roles)
    for place in draft.places:
        mount, _, name = place.ours.split("/")
        options = loaded.bundle.roles[mount, name].options
        theirs = roles[place.theirs.removeprefix("database/creds/")]
        assert options.get("creation_statements", []) == theirs
        assert options.get("revocation_statements", []) == theirs
    [access] = loaded.bundle.grants
    assert set(access.paths) == {place.ours for place in draft.places}


def _snapshot(database: Database, policies: dict[str, str], logins: list[Login]) -> Snapshot:
    return Snapshot(
        databases=[database],
        engines={"database": "database"},
        policies=policies,
        password_policies={},
        logins=logins,
        methods={"approle": "approle"},
        quotas=[],
        sentinel=[],
        groups=[],
        namespaces=[],
    )


values = st.recursive(
    st.integers(0, 10**6) | st.booleans() | anything.filter(lambda text: "\0" not in text),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(
            names.filter(lambda text: "\0" not in text), inner, min_size=1, max_size=3
        )
    ),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(["a", "b-c", "d/e"]), values, max_size=3), st.lists(anything)
)
def test_what_is_written_is_what_the_loader_reads(entries: dict[str, Any], said: list[str]) -> None:
    section = {name: Entry(value, said) for name, value in entries.items()}
    document, _, problems = read("f", file_text(said, {"roles": section}).encode())
    assert problems == []
    assert document == {"roles": entries}
