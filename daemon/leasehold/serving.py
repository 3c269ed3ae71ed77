"""The generation that is served, and how the next one takes its place.

A bundle is taken whole or not at all: a bad one leaves the old one serving, and says so.
"""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leasehold.bundle import Bundle, EngineConfig, EngineType, Generation, Role
from leasehold.clock import Clock
from leasehold.engines.registry import BuiltEngines, Engines
from leasehold.errors import ConfigError, PolicyRefused, Unavailable
from leasehold.kept import KeptPasswords
from leasehold.methods.registry import Built, Methods
from leasehold.model import Recipe
from leasehold.policy.load import load
from leasehold.policy.references import resolve_connection
from leasehold.policy.users import unix_match
from leasehold.secret import Secret

logger = logging.getLogger(__name__)

Files = tuple[tuple[str, bytes], ...]
"""The files of a policy: names with contents."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A bundle that can be served: valid, references resolved, engines and login methods made."""

    bundle: Bundle
    connections: Mapping[str, Mapping[str, Any]]
    engines: BuiltEngines
    methods: Mapping[str, Built]
    files: Files


class Serving:
    """Holds the one generation that is served."""

    def __init__(
        self,
        types: Mapping[str, EngineType],
        engines: Engines,
        key: bytes,
        methods: Methods,
        kept: KeptPasswords,
    ) -> None:
        self.operations = {name: kind.operations for name, kind in types.items()}
        self._types = types
        self._engines = engines
        self._key = key
        self.methods = methods
        self._kept = kept
        self._current: Generation | None = None
        self._recipes: dict[tuple[str, str], Recipe] = {}

    @property
    def served(self) -> Generation | None:
        """The generation served now, None before the first one."""
        return self._current

    def current(self) -> Generation:
        """The generation served now. Raises Unavailable before the first one."""
        if self._current is None:
            raise Unavailable("no policy is served yet")
        return self._current

    def unused(self, clock: Clock) -> Mapping[tuple[str, str], str]:
        """Why values of a policy are not looked at, by address and field (see `make_plan`)."""
        return {
            (f"engine:{each.engine}", f"connection.{each.option}"): (
                f"connection.{each.option} is not used since it was rotated at"
                f" {clock.wall(each.rotated_ms):%Y-%m-%d %H:%M} UTC; leasehold rotate-root"
                f" {each.engine} --reset goes back to it"
            )
            for each in self._kept.administrators()
            if each.rotated_ms is not None
        }

    async def validate(self, files: Files) -> Bundle:
        """The bundle of `files`. Raises PolicyRefused."""
        loaded = await asyncio.to_thread(load, files, self._types, unix_match, self.methods.types)
        if loaded.bundle is None:
            raise PolicyRefused(tuple(problem.line() for problem in loaded.problems))
        for warning in loaded.warnings:
            logger.info("policy: %s", warning.line())
        return loaded.bundle

    async def prepare(self, files: Files, *, tolerant: bool = False) -> Prepared:
        """Make ready to serve `files`. Raises PolicyRefused, and ConfigError for a reference.

        When `tolerant`, an engine whose references lead nowhere is left unusable instead: leases
        that it has made still end by their recipes.
        """
        bundle = await self.validate(files)
        connections: dict[str, Mapping[str, Any]] = {}
        broken: dict[str, str] = {}
        for name, config in bundle.engines.items():
            try:
                connections[name] = await self._kept.connection(config)
            except ConfigError as trouble:
                if not tolerant:
                    raise ConfigError(f"engine {name}: {trouble}") from trouble
                logger.error("engine %s cannot be used: %s", name, trouble)
                broken[name] = str(trouble)
        configs = {
            name: (bundle.engines[name].type, bundle.engines[name].mount, connection)
            for name, connection in connections.items()
        }
        engines = self._engines.build(configs, broken)
        methods = await self._prepare_methods(bundle, tolerant=tolerant)
        return Prepared(bundle, connections, engines, methods, files)

    async def _prepare_methods(self, bundle: Bundle, *, tolerant: bool) -> Mapping[str, Built]:
        built: dict[str, Built] = {}
        for name, config in bundle.auth.items():
            try:
                options = await resolve_connection(config.options)
                built[name] = self.methods.build(name, config.type, options)
            except ConfigError as trouble:
                if not tolerant:
                    raise ConfigError(f"login method {name}: {trouble}") from trouble
                logger.error("login method %s cannot be used: %s", name, trouble)
        return built

    def serve(self, prepared: Prepared, number: int) -> Generation:
        """Serve a prepared bundle as generation `number`, in one step that cannot fail."""
        self._engines.serve(prepared.engines)
        self.methods.serve(prepared.methods)
        self._recipes.clear()
        self._current = Generation(
            number=number, bundle=prepared.bundle, connections=prepared.connections
        )
        return self._current

    def recipe_of(self, config: EngineConfig, role: Role) -> Recipe:
        """What revoking an account of `role` will need, named by a keyed digest of itself."""
        place = (config.mount, role.name)
        if place not in self._recipes:
            connection = self.current().connections[config.name]
            self._recipes[place] = self.recipe(config, role, connection)
        return self._recipes[place]

    def recipe(self, config: EngineConfig, role: Role, connection: Mapping[str, Any]) -> Recipe:
        """The same for a role that need not be served; `connection` has its references resolved."""
        parts = [config.name, config.type, connection, dict(role.options)]
        text = json.dumps(parts, sort_keys=True, default=_revealed)
        digest = hmac.digest(self._key, text.encode(), hashlib.sha256)
        return Recipe(
            id=digest.hex()[:32],
            engine=config.name,
            engine_type=config.type,
            connection=connection,
            role=role.options,
        )


def _revealed(value: object) -> object:
    if isinstance(value, Secret):
        return {"secret": value.reveal()}
    raise TypeError(f"no place for {type(value).__name__} in a recipe")
