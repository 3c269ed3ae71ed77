"""A policy that a command reads by itself, without a daemon.

Imported by commands when they are called, since the schema's imports take their time.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from leasehold.bundle import Bundle
from leasehold.clock import SystemClock
from leasehold.engines.catalog import installed_engine_types
from leasehold.errors import PolicyRefused
from leasehold.methods.catalog import installed_method_types
from leasehold.policy.conditions import instant
from leasehold.policy.load import Loaded, load, load_bundle
from leasehold.policy.users import unix_match
from leasehold.sources.git_checkout import files_at


def bundle_at(path: Path) -> tuple[Bundle, Mapping[str, frozenset[str]]]:
    """The policy there, and the path words by engine type. Raises ConfigError, PolicyRefused."""
    types = installed_engine_types()
    bundle = _bundle(load_bundle(path, types, installed_method_types()))
    return bundle, {name: kind.operations for name, kind in types.items()}


def bundle_at_revision(folder: Path, revision: str) -> Bundle:
    """The policy that the folder's git repository has at `revision`. Raises the same."""
    files = asyncio.run(files_at(folder, revision))
    return _bundle(load(files, installed_engine_types(), unix_match, installed_method_types()))


def moment(text: str) -> datetime:
    """The instant that an option says, or now."""
    clock = SystemClock()
    return instant(text) if text else clock.wall(clock.now_ms())


def _bundle(loaded: Loaded) -> Bundle:
    if loaded.bundle is None:
        raise PolicyRefused(tuple(problem.line() for problem in loaded.problems))
    return loaded.bundle
