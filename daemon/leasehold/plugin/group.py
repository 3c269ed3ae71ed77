"""Which plugins of a kind are installed, and how one is loaded.

A plugin is an entry point in a group. What it says about itself stands in the `schema.json` beside
its module, so that a policy can be validated without any driver; its code is imported only when the
policy names it. pluggy would take the first of two plugins with one name and say nothing, so
doubles are refused here.
"""

import difflib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from leasehold.errors import ConfigError
from leasehold.plugin import hooks

OURS = "leasehold"


@dataclass(frozen=True, slots=True)
class PluginGroup:
    """The plugins of the entry-point group `name`; errors call one a `word`."""

    name: str
    word: str

    def schemas(self, parts: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The `schema.json` of each installed plugin by name, without importing one.

        Raises ConfigError for doubles, and for one that is not readable or lacks one of `parts`.
        """
        return {name: self._schema(it, parts) for name, it in sorted(self._points().items())}

    def load(self, name: str, hook: str) -> Any:
        """Import the plugin `name`: the class that its hook gives.

        Raises ConfigError when it is unknown, lacks its driver, or is not what it says.
        """
        points = self._points()
        if name not in points:
            near = difflib.get_close_matches(name, points, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            installed = ", ".join(sorted(points)) or "none"
            raise ConfigError(
                f"{self.word} {name} is not installed; installed are {installed}{hint}"
            )
        point = points[name]
        try:
            module = point.load()
        except ImportError as error:
            raise ConfigError(
                f"{self.word} {name} needs a driver that is not installed"
                f" ({error.name}): pip install {_requirement(point)}"
            ) from error
        plugins = pluggy.PluginManager("leasehold")
        plugins.add_hookspecs(hooks)
        plugins.register(module, name)
        found = getattr(plugins.hook, hook)()
        if found is None or found.type != name:
            offers = f"no {self.word}" if found is None else f"type {found.type}"
            raise ConfigError(f"plugin {point.value} is installed as {name} but offers {offers}")
        return found

    def _points(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.name):
            other = found.setdefault(point.name, point)
            if _distribution(other) != _distribution(point) or other.value != point.value:
                raise ConfigError(
                    f"{self.word} {point.name} is offered by {_distribution(other)} and by"
                    f" {_distribution(point)}; uninstall one of them"
                )
        return found

    def _schema(self, point: EntryPoint, parts: Sequence[str]) -> dict[str, Any]:
        # Importing the parent package is cheap; importing the module would import its driver.
        spec = importlib.util.find_spec(point.module)
        if spec is None or spec.origin is None:
            raise ConfigError(f"{self.word} {point.name}: module {point.module} is not installed")
        path = Path(spec.origin).with_name("schema.json")
        try:
            schema: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{self.word} {point.name}: schema.json beside {point.module} is not readable"
            ) from error
        for part in parts:
            if part not in schema.get("$defs", {}):
                raise ConfigError(f"{self.word} {point.name}: schema.json lacks $defs.{part}")
        return schema


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unnamed distribution"


def _requirement(point: EntryPoint) -> str:
    name = _distribution(point)
    return f"'leasehold[{point.name}]'" if name == OURS else f"'{name}'"
