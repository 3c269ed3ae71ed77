"""Which engine types are installed, and how one is loaded."""

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from leasehold.bundle import EngineType
from leasehold.errors import ConfigError
from leasehold.passwords import PasswordRules
from leasehold.plugin import Engine
from leasehold.plugin.group import PluginGroup

GROUP = PluginGroup("leasehold.engines", "engine type")
TAKEN = frozenset({"config", "roles", "rotate-role", "rotate-root", "static-creds", "static-roles"})
"""Second parts of paths that the interface has for itself."""


def installed_engine_types() -> dict[str, EngineType]:
    """Every installed engine type by name, without importing one.

    Raises ConfigError for doubles and for a plugin without a readable schema.json.
    """
    schemas = GROUP.schemas(("connection", "role"))
    return {name: _describe(name, schema) for name, schema in schemas.items()}


def load_engine_class(type_name: str) -> type[Engine]:
    """Import the plugin of `type_name` and return its engine class.

    Raises ConfigError when it is unknown, lacks its driver, or is not what it says.
    """
    engine_class: type[Engine] = GROUP.load(type_name, "leasehold_engine")
    return engine_class


def make_engine(engine_class: type[Engine], name: str, connection: Mapping[str, Any]) -> Engine:
    """The engine `name`. Raises ConfigError when its type has no use for the connection."""
    try:
        return engine_class(name, connection)
    except Exception as defect:
        # A recipe may be older than the plugin; its text may hold secrets (rule L2).
        raise ConfigError(
            f"engine {name}: type {engine_class.type} does not take its connection"
            f" ({type(defect).__name__})"
        ) from None


def _describe(name: str, schema: Mapping[str, Any]) -> EngineType:
    about = schema.get("x-engine", {})
    operations = frozenset(about.get("operations", ["creds"]))
    if taken := sorted(operations & TAKEN):
        raise ConfigError(
            f"engine type {name}: schema.json calls an operation {taken[0]}, which the"
            " interface has for itself; call it otherwise"
        )
    engine_class = cache(partial(load_engine_class, name))
    return EngineType(
        name=name,
        schema=schema,
        operations=operations,
        name_limit=about.get("name_limit", 63),
        rotates=frozenset(about.get("rotates", [])),
        root_secret=about.get("root_secret", "password"),
        faults=lambda role: engine_class().faults(role),
        lint=lambda role: engine_class().lint(role),
        logs_in=about.get("login", True),
        passwords=PasswordRules(**about.get("passwords", {})),
    )
