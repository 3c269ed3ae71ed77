"""Where the JSON Schemas are: in the installed package, or in the checkout's `schemas/`."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any


@cache
def schema(name: str) -> dict[str, Any]:
    """The schema `<name>.schema.json`."""
    installed = files("leasehold") / "schemas"
    folder = installed if installed.is_dir() else Path(__file__).resolve().parents[3] / "schemas"
    found: dict[str, Any] = json.loads((folder / f"{name}.schema.json").read_text())
    return found
