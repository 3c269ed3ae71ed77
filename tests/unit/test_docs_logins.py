"""The documents on login methods are watched like the others, see test_docs."""

import re
from pathlib import Path

import pytest

from leasehold.bundle import UnixMatch
from leasehold.engines.catalog import installed_engine_types
from leasehold.methods.catalog import installed_method_types
from leasehold.policy.load import load

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(installed_method_types()))
def test_every_option_and_fact_of_a_login_method_stands_on_its_page(name: str) -> None:
    text = (ROOT / "docs" / "auth" / f"{name}.md").read_text()
    coded = {word.partition(".")[0] for word in re.findall(r"`([^`\n]+)`", text)}
    parts = installed_method_types()[name].schema["$defs"]
    names = {key for part in ("options", "facts") for key in parts[part]["properties"]}
    assert names
    assert not names - coded


@pytest.mark.parametrize(
    "file", sorted((ROOT / "examples" / "ci").glob("*.yaml")), ids=lambda it: it.name
)
def test_every_policy_for_ci_is_valid(file: Path) -> None:
    files = [(file.name, file.read_bytes())]
    types, methods = installed_engine_types(), installed_method_types()
    loaded = load(files, types, lambda match: UnixMatch(uid=1), methods)
    assert [problem.line() for problem in (*loaded.problems, *loaded.warnings)] == []
