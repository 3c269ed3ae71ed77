"""The generation that is served, and how the next one takes its place.

A bundle is taken whole or not at all: a bad one leaves the old one serving, and says so.
"""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leasehold.bundle import Bundle, EngineConfig, EngineType, Generation, Role
from leasehold.engines.registry import Engines
from leasehold.errors import ConfigError, Unavailable
from leasehold.model import Recipe
from leasehold.policy.load import load_bundle
from leasehold.policy.references import resolve_connection
from leasehold.policy.sources import check_modes
from leasehold.secret import Secret

logger = logging.getLogger(__name__)


class PolicyRefused(ConfigError):
    """A bundle with problems; `lines` holds one line each, sorted."""

    code = "policy"

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__(f"the policy has {len(lines)} problem(s); run leasehold validate")
        self.lines = lines


class Serving:
    """Holds the one generation that is served."""

    def __init__(
        self, policies: Path, types: Mapping[str, EngineType], engines: Engines, key: bytes
    ) -> None:
        self._policies = policies
        self._types = types
        self._engines = engines
        self._key = key
        self._current: Generation | None = None
        self._recipes: dict[tuple[str, str], Recipe] = {}
        self.refused = ""
        """Why the newest bundle is not served, empty when it is."""

    def current(self) -> Generation:
        """The generation served now. Raises Unavailable before the first one."""
        if self._current is None:
            raise Unavailable("no policy is served yet")
        return self._current

    async def load(self) -> Generation:
        """Read the bundle and serve it; the old one stays when this raises.

        Raises PolicyRefused, and ConfigError for a reference or a mode.
        """
        try:
            bundle, connections = await self._read()
            self._engines.apply(
                {
                    name: (config.type, config.mount, connections[name])
                    for name, config in bundle.engines.items()
                }
            )
        except ConfigError as trouble:
            self.refused = str(trouble)
            raise
        number = 1 if self._current is None else self._current.number + 1
        self._recipes.clear()
        self._current = Generation(number=number, bundle=bundle, connections=connections)
        self.refused = ""
        return self._current

    async def _read(self) -> tuple[Bundle, dict[str, Mapping[str, Any]]]:
        check_modes(self._policies)
        loaded = await asyncio.to_thread(load_bundle, self._policies, self._types)
        if loaded.bundle is None:
            raise PolicyRefused(tuple(problem.line() for problem in loaded.problems))
        for warning in loaded.warnings:
            logger.warning("policy: %s", warning.line())
        connections: dict[str, Mapping[str, Any]] = {}
        for name, config in loaded.bundle.engines.items():
            try:
                connections[name] = await resolve_connection(config.connection)
            except ConfigError as trouble:
                raise ConfigError(f"engine {name}: {trouble}") from trouble
        return loaded.bundle, connections

    def recipe_of(self, config: EngineConfig, role: Role) -> Recipe:
        """What revoking an account of `role` will need, named by a keyed digest of itself."""
        place = (config.mount, role.name)
        if place not in self._recipes:
            connection = self.current().connections[config.name]
            parts = [config.name, config.type, connection, dict(role.options)]
            text = json.dumps(parts, sort_keys=True, default=_revealed)
            digest = hmac.digest(self._key, text.encode(), hashlib.sha256)
            self._recipes[place] = Recipe(
                id=digest.hex()[:32],
                engine=config.name,
                engine_type=config.type,
                connection=connection,
                role=role.options,
            )
        return self._recipes[place]


def _revealed(value: object) -> object:
    if isinstance(value, Secret):
        return {"secret": value.reveal()}
    raise TypeError(f"no place for {type(value).__name__} in a recipe")
