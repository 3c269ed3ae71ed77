"""The pages about the policy know every key that a policy can have."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PAGE = "".join((ROOT / "docs" / name).read_text() for name in ("policy.md", "quotas.md"))
SCHEMAS = (
    ROOT / "schemas" / "policy.schema.json",
    ROOT / "plugins" / "leasehold_plugins" / "postgresql" / "schema.json",
)


def keys(schema: Any) -> Iterator[str]:
    """Every key and every word that a schema allows."""
    inner = schema.values() if isinstance(schema, dict) else schema
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        yield from schema.get("enum", ())
    for each in inner if isinstance(schema, dict | list) else ():
        yield from keys(each)


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.parent.name)
def test_every_key_of_a_policy_is_on_its_page(file: Path) -> None:
    found = set(keys(json.loads(file.read_text())))
    assert len(found) > 10
    assert {key for key in found if f"`{key}" not in PAGE} == set()
