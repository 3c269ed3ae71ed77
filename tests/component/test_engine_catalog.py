"""Engine types that are installed: found by their entry points, described without their driver."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from leasehold.cli.main import cli
from leasehold.engines.catalog import installed_engine_types, load_engine_class
from leasehold.errors import ConfigError

SCHEMA = {
    "x-engine": {"operations": ["creds", "sts"], "name_limit": 32},
    "$defs": {"connection": {"type": "object"}, "role": {"type": "object"}},
}
MODULE = """\
from leasehold.plugin import Engine, hookimpl

class Acme(Engine):
    type = "acme"

    @classmethod
    def faults(cls, role):
        return [f"found {role}"]

@hookimpl
def leasehold_engine():
    return Acme
"""
NEEDS_DRIVER = f"import no_such_driver_anywhere\n{MODULE}"

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> Install:
    """Put a distribution with one plugin where Python finds it."""
    unique = f"plugins_of_{abs(hash(request.node.nodeid))}"

    def installed(
        distribution: str,
        engine_type: str = "acme",
        *,
        code: str = MODULE,
        schema: str | None = json.dumps(SCHEMA),
    ) -> None:
        site = tmp_path / f"site-{distribution}"
        package = f"{unique}_{distribution}".replace("-", "_")
        module = site / package / "engine"
        module.mkdir(parents=True)
        (site / package / "__init__.py").touch()
        (module / "__init__.py").write_text(code)
        if schema is not None:
            (module / "schema.json").write_text(schema)
        about = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (about / "entry_points.txt").write_text(
            f"[leasehold.engines]\n{engine_type} = {package}.engine\n"
        )
        monkeypatch.syspath_prepend(str(site))

    return installed


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as refused:
        act()
    return str(refused.value)


def test_a_plugin_is_described_by_its_schema_without_its_driver(install: Install) -> None:
    install("acme-engines", code=NEEDS_DRIVER)
    found = installed_engine_types()["acme"]
    assert (found.operations, found.name_limit) == (frozenset({"creds", "sts"}), 32)
    assert found.schema == SCHEMA
    assert "postgresql" in installed_engine_types()


def test_a_plugin_is_imported_when_its_options_are_looked_at(install: Install) -> None:
    install("acme-engines")
    found = installed_engine_types()["acme"]
    assert found.faults({"a": 1}) == ["found {'a': 1}"]
    assert found.lint({}) == []
    assert load_engine_class("acme").type == "acme"


def test_a_type_that_two_distributions_offer_is_refused(install: Install) -> None:
    install("acme-engines")
    install("other-engines")
    line = refusal(installed_engine_types)
    assert line.startswith("engine type acme is offered by ")
    assert "acme-engines" in line
    assert "other-engines" in line
    assert refusal(lambda: load_engine_class("acme")) == line


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (None, "is not readable"),
        ("{", "is not readable"),
        ("{}", "lacks $defs.connection"),
        ('{"$defs": {"connection": {}}}', "lacks $defs.role"),
        (json.dumps({**SCHEMA, "x-engine": {"operations": ["roles"]}}), "an operation roles"),
    ],
)
def test_a_plugin_without_a_good_schema_is_refused(
    install: Install, schema: str | None, words: str
) -> None:
    install("acme-engines", schema=schema)
    line = refusal(installed_engine_types)
    assert line.startswith("engine type acme: schema.json")
    assert words in line


@pytest.mark.parametrize(
    ("distribution", "package"),
    [("acme-engines", "'acme-engines'"), ("leasehold", "'leasehold[acme]'")],
)
def test_a_missing_driver_comes_with_the_line_to_run(
    install: Install, distribution: str, package: str
) -> None:
    install(distribution, code=NEEDS_DRIVER)
    line = refusal(lambda: load_engine_class("acme"))
    assert line == (
        "engine type acme needs a driver that is not installed (no_such_driver_anywhere):"
        f" pip install {package}"
    )


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("", "no engine type"),
        (MODULE.replace('type = "acme"', 'type = "amce"'), "type amce"),
    ],
)
def test_a_plugin_that_is_not_what_it_says_is_refused(
    install: Install, code: str, found: str
) -> None:
    install("acme-engines", code=code)
    assert refusal(lambda: load_engine_class("acme")).endswith(f"as acme but offers {found}")


def test_an_unknown_type_is_told_with_what_is_near() -> None:
    line = refusal(lambda: load_engine_class("postgres"))
    assert line.startswith("engine type postgres is not installed; installed are ")
    assert line.endswith("did you mean postgresql?")


def test_validate_goes_on_without_a_driver_and_says_how_to_get_it(
    install: Install, tmp_path: Path
) -> None:
    install("acme-engines", code=NEEDS_DRIVER)
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "engines:\n  main:\n    type: acme\n    connection: {}\n"
        "roles:\n  main/a: {}\n  main/b: {}\n"
    )
    result = CliRunner().invoke(cli, ["validate", str(policy)])
    assert result.exit_code == 0
    assert result.stdout.startswith("valid: 1 engine, 2 roles, ")
    [warning] = result.stderr.splitlines()
    assert warning.startswith("policy.yaml:3:11: warning: engines.main.type: ")
    assert warning.endswith("pip install 'acme-engines'")


def test_a_type_that_rotates_nothing_is_given_nothing_to_rotate(
    install: Install, tmp_path: Path
) -> None:
    install("acme-engines")
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "engines:\n  main:\n    type: acme\n    connection: {}\n"
        "    root_rotation: {every: 30d}\n"
        "static_roles:\n  main/a: {username: a, rotation: {every: 30d}}\n"
    )
    result = CliRunner().invoke(cli, ["validate", str(policy)])
    assert result.exit_code == 6
    lines = result.stderr.splitlines()
    told = "engines.main.root_rotation: engine type acme rotates no administrator; remove it"
    assert f"policy.yaml:5:5: {told}" in lines
    assert "policy.yaml:7:3: static_roles.main/a: engine type acme rotates no static roles" in lines


@pytest.mark.parametrize("name", sorted(installed_engine_types()))
def test_the_schema_says_which_passwords_an_engine_rotates(name: str) -> None:
    engine, told = load_engine_class(name), installed_engine_types()[name]
    assert engine.rotates() == told.rotates
    assert engine.root_secret == told.root_secret
