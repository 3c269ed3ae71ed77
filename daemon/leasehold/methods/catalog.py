"""Which types of login methods are installed, and how one is loaded."""

import time

from leasehold.login import MethodType
from leasehold.methods.registry import Methods
from leasehold.plugin import LoginMethod
from leasehold.plugin.group import PluginGroup

GROUP = PluginGroup("leasehold.auth", "login method")
PARTS = ("options", "match", "facts")


def installed_method_types() -> dict[str, MethodType]:
    """Every installed type by name, without importing one. Raises ConfigError."""
    return {name: MethodType(name=name, schema=it) for name, it in GROUP.schemas(PARTS).items()}


def load_method_class(type_name: str) -> type[LoginMethod]:
    """Import the plugin of `type_name` and return its class.

    Raises ConfigError when it is unknown, lacks its driver, or is not what it says.
    """
    method_class: type[LoginMethod] = GROUP.load(type_name, "leasehold_login_method")
    return method_class


def installed_methods() -> Methods:
    """The holder of login methods of all installed types. Raises ConfigError."""
    return Methods(installed_method_types(), load_method_class, time.monotonic)
