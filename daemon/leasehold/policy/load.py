"""A policy directory as one bundle, or as everything that is wrong with it."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leasehold.bundle import Bundle, EngineType, UnixMatch
from leasehold.login import MethodType
from leasehold.policy.claims import refuted
from leasehold.policy.compile import compile_bundle
from leasehold.policy.draft import Draft
from leasehold.policy.files import read
from leasehold.policy.limits import Limits
from leasehold.policy.merge import Merged
from leasehold.policy.problems import Problem
from leasehold.policy.sources import sources
from leasehold.policy.users import unix_match
from leasehold.policy.validate import check


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of loading: a bundle when there are no problems; warnings in any case.

    `limits` says for each role of the bundle, by mount and name, what holds and who said so.
    """

    bundle: Bundle | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()
    limits: Mapping[tuple[str, str], Limits] = field(default_factory=dict)


def load_bundle(
    path: Path, types: Mapping[str, EngineType], methods: Mapping[str, MethodType]
) -> Loaded:
    """Read a directory or a single file. Blocks; raises ConfigError when nothing can be read."""
    return load(sources(path), types, unix_match, methods)


def load(
    files: Iterable[tuple[str, bytes]],
    types: Mapping[str, EngineType],
    ids: Callable[[Mapping[str, Any]], UnixMatch],
    methods: Mapping[str, MethodType],
) -> Loaded:
    """The bundle of `files`, names with contents. `ids` resolves a `unix:` match, see `users`."""
    digest = hashlib.sha256()
    merged = Merged()
    for name, data in files:
        digest.update(f"{len(name)}:{name}:{len(data)}:".encode() + data)
        merged.add(*read(name, data))
    faults = list(check(merged.document, types, methods))
    found = [*merged.problems, *map(merged.places.problem, faults)]
    if merged.partial:
        # A name that seems to be missing may stand in what was left out, so nothing is said of it.
        return Loaded(None, _sorted(found))
    broken = frozenset(fault.path[:2] for fault in faults)
    draft = Draft(merged.document, broken, merged.places, types, ids, methods)
    compiled = compile_bundle(draft, digest.hexdigest())
    found += map(merged.places.problem, draft.faults)
    warnings = _sorted(map(merged.places.problem, draft.warnings))
    if not found:
        found += map(merged.places.problem, refuted(compiled.bundle))
    if found:
        return Loaded(None, _sorted(found), warnings)
    return Loaded(compiled.bundle, (), warnings, compiled.limits)


def _sorted(found: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(set(found)))
