"""The merged document on its way to a bundle, and what is found wrong on the way. Pure.

An entry whose shape is broken is left out, but its name still counts: a role of a broken engine is
not told that there is no such engine. So one mistake is told once, and all mistakes in one go.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from leasehold.bundle import EngineType, UnixMatch
from leasehold.login import MethodType
from leasehold.policy.problems import Fault, Path, Places


@dataclass(slots=True)
class Draft:
    """What the parts of a bundle are made from.

    `broken` has the paths of entries (`("roles", "main/reader")`) that the schema found fault with.
    `ids` turns a `unix:` match into ids, and raises NoSuchMatch. `methods` are the installed types
    of login methods.
    """

    document: Mapping[str, Any]
    broken: frozenset[Path]
    places: Places
    types: Mapping[str, EngineType]
    ids: Callable[[Mapping[str, Any]], UnixMatch]
    methods: Mapping[str, MethodType]
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def fault(self, path: Path, message: str, *, key: bool = False) -> None:
        """Note what is wrong with the value (or the key) at `path`."""
        self.faults.append(Fault(path, message, key))

    def warn(self, path: Path, message: str, *, key: bool = False) -> None:
        """Note what works and will hurt."""
        self.warnings.append(Fault(path, message, key))

    def named(self, section: str) -> Mapping[str, Any]:
        """Every entry of a map, broken ones too."""
        found: Mapping[str, Any] = self.document.get(section, {})
        return found

    def whole(self, section: str) -> Iterator[tuple[Any, Any]]:
        """The entries of a map by name, or of a list by index, that are not broken."""
        found = self.document.get(section, {})
        entries: Iterable[tuple[Any, Any]] = (
            found.items() if isinstance(found, Mapping) else enumerate(found)
        )
        for name, entry in entries:
            if (section, name) not in self.broken:
                yield name, entry

    def mounts(self) -> dict[str, str]:
        """The mount of every engine, broken ones too, by the engine's name."""
        return {
            name: str(engine.get("mount", name)) if isinstance(engine, Mapping) else name
            for name, engine in self.named("engines").items()
        }
