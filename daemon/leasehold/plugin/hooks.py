"""The one hook of a plugin: it hands over its class, that of an engine or of a login method.

A plugin is a module named by an entry point in the group `leasehold.engines` or `leasehold.auth`.
pluggy finds it; the daemon imports only the types that the policy names.
"""

import pluggy

from leasehold.plugin.engine import Engine
from leasehold.plugin.login import LoginMethod

hookspec = pluggy.HookspecMarker("leasehold")
hookimpl = pluggy.HookimplMarker("leasehold")


@hookspec(firstresult=True)
def leasehold_engine() -> type[Engine]:  # type: ignore[empty-body]
    """Return the engine class. Its `type` must equal the name of the entry point."""


@hookspec(firstresult=True)
def leasehold_login_method() -> type[LoginMethod]:  # type: ignore[empty-body]
    """Return the class of the login method. Its `type` must equal the name of the entry point."""
