"""A policy that a command reads by itself, without a daemon.

Imported by commands when they are called, since the schema's imports take their time.
"""

from collections.abc import Mapping
from pathlib import Path

from leasehold.bundle import Bundle
from leasehold.engines.catalog import installed_engine_types
from leasehold.errors import PolicyRefused
from leasehold.policy.load import load_bundle


def bundle_at(path: Path) -> tuple[Bundle, Mapping[str, frozenset[str]]]:
    """The policy there, and the path words by engine type. Raises ConfigError, PolicyRefused."""
    types = installed_engine_types()
    loaded = load_bundle(path, types)
    if loaded.bundle is None:
        raise PolicyRefused(tuple(problem.line() for problem in loaded.problems))
    return loaded.bundle, {name: kind.operations for name, kind in types.items()}
