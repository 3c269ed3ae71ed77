"""Which engine types are installed, and how one is loaded.

A plugin is an entry point in the group `leasehold.engines`. What it says about itself stands in the
`schema.json` beside its module, so that a policy can be validated without any driver; its code is
imported only when the policy names it. pluggy would take the first of two plugins with one name
and say nothing, so doubles are refused here.
"""

import difflib
import importlib.util
import json
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from leasehold.bundle import EngineType
from leasehold.errors import ConfigError
from leasehold.plugin import Engine, hooks

GROUP = "leasehold.engines"
OURS = "leasehold"
TAKEN = frozenset({"config", "roles"})
"""Second parts of paths at which the interface shows configuration."""


def installed_engine_types() -> dict[str, EngineType]:
    """Every installed engine type by name, without importing one.

    Raises ConfigError for doubles and for a plugin without a readable schema.json.
    """
    return {name: _describe(point) for name, point in sorted(_entry_points().items())}


def load_engine_class(type_name: str) -> type[Engine]:
    """Import the plugin of `type_name` and return its engine class.

    Raises ConfigError when it is unknown, lacks its driver, or is not what it says.
    """
    points = _entry_points()
    if type_name not in points:
        near = difflib.get_close_matches(type_name, points, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        installed = ", ".join(sorted(points)) or "none"
        raise ConfigError(
            f"engine type {type_name} is not installed; installed are {installed}{hint}"
        )
    point = points[type_name]
    try:
        module = point.load()
    except ImportError as error:
        raise ConfigError(
            f"engine type {type_name} needs a driver that is not installed"
            f" ({error.name}): pip install {_requirement(point)}"
        ) from error
    plugins = pluggy.PluginManager("leasehold")
    plugins.add_hookspecs(hooks)
    plugins.register(module, type_name)
    engine_class: type[Engine] | None = plugins.hook.leasehold_engine()
    if engine_class is None or engine_class.type != type_name:
        found = "no engine" if engine_class is None else f"type {engine_class.type}"
        raise ConfigError(f"plugin {point.value} is installed as {type_name} but offers {found}")
    return engine_class


def _entry_points() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if _distribution(other) != _distribution(point) or other.value != point.value:
            raise ConfigError(
                f"engine type {point.name} is offered by {_distribution(other)} and by"
                f" {_distribution(point)}; uninstall one of them"
            )
    return found


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unnamed distribution"


def _requirement(point: EntryPoint) -> str:
    name = _distribution(point)
    return f"'leasehold[{point.name}]'" if name == OURS else f"'{name}'"


def _describe(point: EntryPoint) -> EngineType:
    schema = _schema(point)
    about = schema.get("x-engine", {})
    operations = frozenset(about.get("operations", ["creds"]))
    if taken := sorted(operations & TAKEN):
        raise ConfigError(
            f"engine type {point.name}: schema.json calls an operation {taken[0]}, where"
            " configuration is shown; call it otherwise"
        )
    engine_class = cache(partial(load_engine_class, point.name))
    return EngineType(
        name=point.name,
        schema=schema,
        operations=operations,
        name_limit=about.get("name_limit", 63),
        faults=lambda role: engine_class().faults(role),
        lint=lambda role: engine_class().lint(role),
    )


def _schema(point: EntryPoint) -> dict[str, Any]:
    # Importing the parent package is cheap; importing the module would import its driver.
    spec = importlib.util.find_spec(point.module)
    if spec is None or spec.origin is None:
        raise ConfigError(f"engine type {point.name}: module {point.module} is not installed")
    path = Path(spec.origin).with_name("schema.json")
    try:
        schema: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"engine type {point.name}: schema.json beside {point.module} is not readable"
        ) from error
    for part in ("connection", "role"):
        if part not in schema.get("$defs", {}):
            raise ConfigError(f"engine type {point.name}: schema.json lacks $defs.{part}")
    return schema
