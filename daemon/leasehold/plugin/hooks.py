"""The one hook of an engine plugin: it hands over its engine class.

A plugin is a module named by an entry point in the group `leasehold.engines`. pluggy finds it; the
daemon imports only the types that the policy names.
"""

import pluggy

from leasehold.plugin.engine import Engine

hookspec = pluggy.HookspecMarker("leasehold")
hookimpl = pluggy.HookimplMarker("leasehold")


@hookspec(firstresult=True)
def leasehold_engine() -> type[Engine]:  # type: ignore[empty-body]
    """Return the engine class. Its `type` must equal the name of the entry point."""
