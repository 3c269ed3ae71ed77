"""Editors complete and check policies by a schema that says what `leasehold validate` says."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from fakes.policies import engine_type
from leasehold.cli.main import cli
from leasehold.engines.catalog import installed_engine_types
from leasehold.methods.catalog import installed_method_types
from leasehold.policy.editor_schema import editor_schema
from leasehold.policy.files import read
from leasehold.policy.merge import Merged
from leasehold.policy.problems import Fault
from leasehold.policy.schemas import validator
from leasehold.policy.sources import sources
from leasehold.policy.validate import check

ROOT = Path(__file__).parents[2]
BAD = ROOT / "policies" / "bad"
MODELINE = "# yaml-language-server: $schema=.schema.json"
TYPES, METHODS = installed_engine_types(), installed_method_types()
ARITHMETIC = {
    ("engines", "main", "root_rotation", "every"),
    ("lease_limits", "database", "max_ttl"),
}
"""How long `99999d` or `1s` is takes arithmetic, which JSON Schema does not have."""


def printed(*options: str) -> str:
    result = CliRunner().invoke(cli, ["schema", *options], catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def errors(schema: dict[str, Any], document: Any) -> list[tuple[str | int, ...]]:
    """Where the schema finds fault. Our dialect reads `$` in a pattern as editors do."""
    return [tuple(error.absolute_path) for error in validator(schema).iter_errors(document)]


def found_by(places: list[tuple[str | int, ...]], fault: Fault) -> bool:
    """Whether one is at the fault, or at what holds it."""
    return any(
        fault.path[: len(place)] == place and len(place) >= len(fault.path) - 1 for place in places
    )


def test_it_is_plain_json_schema() -> None:
    schema = json.loads(printed())
    assert schema == editor_schema(TYPES, METHODS)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)
    assert not re.findall(r'"x-', json.dumps(schema))
    defined = {f"#/$defs/{name}" for name in schema["$defs"]}
    assert set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(schema))) <= defined


@pytest.mark.parametrize("folder", ["policies", "examples/gitops/policies"])
def test_a_policy_that_is_good_is_good_to_an_editor(folder: str) -> None:
    schema = editor_schema(TYPES, METHODS)
    for name, data in sources(ROOT / folder):
        document, _, problems = read(name, data)
        assert problems == []
        assert errors(schema, document) == [], name


@pytest.mark.parametrize(
    "place",
    [each for each in sorted(BAD.iterdir()) if each.is_dir() or each.suffix == ".yaml"],
    ids=lambda path: path.stem,
)
def test_an_editor_shows_each_fault_that_a_schema_can_see(place: Path) -> None:
    schema, merged = editor_schema(TYPES, METHODS), Merged()
    for name, data in sources(place):
        document, places, problems = read(name, data)
        if document is not None:
            alone = Merged()
            alone.add(document, places, problems)
            assert bool(alone.partial) <= bool(errors(schema, document))
        merged.add(document, places, problems)
    seen = errors(schema, merged.document)
    for fault in check(merged.document, TYPES, METHODS):
        assert fault.path in ARITHMETIC or found_by(seen, fault), fault


@pytest.mark.parametrize(
    "name", ["secret-in-clear", "bad-reference", "zero-duration", "bad-duration-in-connection"]
)
def test_an_editor_shows_what_our_dialect_says_in_its_own_words(name: str) -> None:
    [(file, data)] = sources(BAD / f"{name}.yaml")
    document, _, _ = read(file, data)
    told = (BAD / f"{name}.expected").read_text().splitlines()
    assert len(errors(editor_schema(TYPES, METHODS), document)) == len(told)


def test_every_option_of_every_type_is_offered_with_what_it_means() -> None:
    schema = editor_schema(TYPES, METHODS)
    role = schema["$defs"]["role"]
    for name, kind in TYPES.items():
        for option, rules in kind.schema["$defs"]["role"]["properties"].items():
            assert f"{name}: {rules['description']}" in role["properties"][option]["description"]
        connection = schema["$defs"][f"{name}.connection"]
        for option, rules in kind.schema["$defs"]["connection"]["properties"].items():
            assert connection["properties"][option]["description"] == rules["description"]
    assert role["additionalProperties"] is False


def described(**options: dict[str, Any]) -> dict[str, Any]:
    return {
        "$defs": {
            "text": {"type": "string"},
            "connection": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"host": {"$ref": "#/$defs/text"}},
            },
            "role": {"type": "object", "properties": options},
        }
    }


def test_types_with_options_of_one_name_each_keep_their_own() -> None:
    one = described(
        group={"description": "A group.", "$ref": "#/$defs/text"},
        size={"description": "In bytes.", "type": "integer"},
    )
    two = described(
        group={"description": "Many groups.", "type": "array"},
        size={"description": "In bytes.", "type": "integer"},
    )
    types = {name: engine_type(name, schema=of) for name, of in (("one", one), ("two", two))}
    schema = editor_schema(types, METHODS)
    options = schema["$defs"]["role"]["properties"]
    assert options["group"]["description"] == "one: A group.\ntwo: Many groups."
    assert options["size"] == {"description": "one, two: In bytes.", "type": "integer"}
    head = "engines:\n  a: {type: two, connection: {}}\nroles:\n"
    for group, places in (("[x]", []), ("x", []), ("5", [("roles", "a/b", "group")])):
        document, _, _ = read("f", f"{head}  a/b: {{group: {group}}}\n".encode())
        assert errors(schema, document) == places


def test_the_connection_follows_the_type() -> None:
    types = {name: engine_type(name, schema=described()) for name in ("one", "two")}
    types["two"].schema["$defs"]["connection"]["properties"] = {"port": {"type": "integer"}}
    schema = editor_schema(types, METHODS)
    for kind, option, good in (("one", "host: h", True), ("two", "host: h", False)):
        text = f"engines:\n  a: {{type: {kind}, connection: {{{option}}}}}\n"
        document, _, _ = read("f", text.encode())
        assert (errors(schema, document) == []) == good


def test_it_is_written_to_a_file_that_the_modelines_name(tmp_path: Path) -> None:
    for folder in (ROOT / "policies", ROOT / "examples" / "gitops" / "policies"):
        files = [*folder.glob("*.yaml"), *folder.glob("[!b]*/*.yaml")]
        assert len(files) >= 4
        for file in files:
            depth = len(file.relative_to(folder).parts) - 1
            first = file.read_text().splitlines()[0]
            assert first == MODELINE.replace("=", f"={'../' * depth}"), file
    out = tmp_path / ".schema.json"
    assert printed("--out", str(out)) == ""
    assert out.read_text() == printed()


def test_neither_a_daemon_nor_a_driver_is_needed() -> None:
    told = (
        "import sys; from leasehold.cli.main import cli\n"
        "cli(['schema'], standalone_mode=False)\n"
        "print([name for name in sys.modules if name.split('.')[0] in"
        " ('aiohttp', 'psycopg', 'leasehold_plugins')], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, timeout=30, check=True
    )
    assert json.loads(done.stdout)["title"] == "leasehold policy"
    assert done.stderr.strip() in ("[]", "['leasehold_plugins']")  # the empty package, to find it


def blocks(info: str) -> list[str]:
    text = (ROOT / "docs" / "editors.md").read_text()
    return re.findall(rf"^```{info}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_page_about_editors_shows_what_is_so() -> None:
    text = (ROOT / "docs" / "editors.md").read_text()
    shown = [block for block in blocks("yaml") if block.startswith("#")]
    assert shown
    assert all(block.splitlines()[0] == MODELINE for block in shown)
    [settings] = map(json.loads, blocks("json"))
    [(place, pattern)] = settings["yaml.schemas"].items()
    assert (ROOT / place).parent == ROOT / "policies"
    assert Path(place).name == ".schema.json"
    assert [*ROOT.glob(pattern)]
    for block in blocks("lua"):
        assert f'["{place}"] = "{pattern}"' in block
    assert "$ leasehold schema --out policies/.schema.json" in text
