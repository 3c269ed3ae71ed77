"""The engines of the served generation, and older ones that live leases still need (rule W15).

A target that is down stops nothing here: engines connect at their first call. A password that was
rotated since a recipe was frozen takes the place of the one in it.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from leasehold.engines.guarded import GuardedEngine
from leasehold.errors import ConfigError, NotFound, Unavailable
from leasehold.model import Recipe
from leasehold.plugin import Engine, Revocability, Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """How a configured engine fares, for people; `missing` names rights to grant."""

    name: str
    type: str
    mount: str
    state: str
    reason: str
    missing: tuple[str, ...]
    version: str
    revocability: str
    operations: tuple[str, ...]
    rehearses: bool


@dataclass(frozen=True, slots=True)
class _Configured:
    digest: bytes
    mount: str
    engine: GuardedEngine
    connection: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BuiltEngines:
    """Engines that are made and not yet served, and by name why others could not be made."""

    usable: Mapping[str, _Configured]
    broken: Mapping[str, str]

    def engine(self, name: str) -> GuardedEngine:
        """The usable engine called `name`."""
        return self.usable[name].engine


def _as_it_is(engine: str, connection: Mapping[str, Any]) -> Mapping[str, Any]:
    return connection


class Engines:
    """Opens, keeps and replaces engines. `load` returns the class of an engine type.

    `rotated` gives an engine's connection with the password that holds now, by the engine's name.
    """

    def __init__(
        self,
        load: Callable[[str], type[Engine]],
        rotated: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] = _as_it_is,
    ) -> None:
        self._load = load
        self._rotated = rotated
        self._configured: Mapping[str, _Configured] = {}
        self._broken: Mapping[str, str] = {}
        self._older: dict[bytes, GuardedEngine] = {}
        self._tried: Mapping[bytes, GuardedEngine] = {}

    def build(
        self,
        configs: Mapping[str, tuple[str, str, Mapping[str, Any]]],
        broken: Mapping[str, str] | None = None,
    ) -> BuiltEngines:
        """Make these engines without serving them: type, mount, resolved connection by name.

        An engine whose connection did not change is the one that is served. `broken` says why
        others cannot be used. Raises ConfigError.
        """
        built: dict[str, _Configured] = {}
        for name, (type_name, mount, connection) in configs.items():
            digest = _digest(type_name, name, connection)
            kept = self._configured.get(name)
            if kept is not None and kept.digest == digest:
                built[name] = _Configured(digest, mount, kept.engine, connection)
            else:
                engine = GuardedEngine(self._load(type_name), name, connection)
                built[name] = _Configured(digest, mount, engine, connection)
        return BuiltEngines(built, broken or {})

    def serve(self, built: BuiltEngines) -> None:
        """Serve what was built; an engine that is replaced stays for the leases made through it."""
        for name, old in self._configured.items():
            if name not in built.usable or built.usable[name].engine is not old.engine:
                self._older[old.digest] = old.engine
        self._configured, self._broken = built.usable, built.broken

    @asynccontextmanager
    async def trying(self, built: BuiltEngines) -> AsyncIterator[None]:
        """Touch accounts that are made through `built` through it too, served or not.

        What is not served at the end is closed. One at a time.
        """
        self._tried = {one.digest: one.engine for one in built.usable.values()}
        try:
            yield
        finally:
            self._tried = {}
            served = [one.engine for one in self._configured.values()]
            for one in built.usable.values():
                if one.engine not in served:
                    await one.engine.close()

    def current(self, name: str) -> GuardedEngine:
        """The engine of the served generation. Raises NotFound, or Unavailable for a broken one."""
        if name in self._broken:
            raise Unavailable(f"engine {name} cannot be used: {self._broken[name]}")
        if name not in self._configured:
            raise NotFound(f"engine {name} is not in the policy")
        return self._configured[name].engine

    async def opens(self, name: str) -> bool:
        """Whether the administrator of a served engine is let in with the password that we know."""
        return await self.current(name).opens(self._configured[name].connection)

    def connection(self, name: str) -> Mapping[str, Any]:
        """The connection of a served engine, with its secrets. Raises NotFound, Unavailable."""
        self.current(name)
        return self._configured[name].connection

    def for_lease(self, recipe: Recipe, target: str) -> GuardedEngine:
        """The engine to touch a lease's account with, `target` being where it was made.

        That is the current engine of the same name wherever it leads to the same target, since an
        operator who changed the admin's password changed it there; else the recipe's own
        connection. Raises ConfigError when the engine type is not installed any more, or does not
        take that connection.
        """
        configured = self._configured.get(recipe.engine)
        connection = self._rotated(recipe.engine, recipe.connection)
        digest = _digest(recipe.engine_type, recipe.engine, connection)
        if digest in self._tried:
            return self._tried[digest]
        if configured is not None and (
            configured.digest == digest or _leads_to(configured.engine, recipe, target)
        ):
            return configured.engine
        if digest not in self._older:
            engine_class = self._load(recipe.engine_type)
            self._older[digest] = GuardedEngine(engine_class, recipe.engine, connection)
        return self._older[digest]

    async def turn(
        self, name: str, changed: Mapping[str, Any], password: Secret, *, sent: bool
    ) -> None:
        """Give the administrator of a served engine `password` (see `GuardedEngine.turn`).

        `changed` are the options of its connection that are others then. To be called while no
        other generation is built or served. Raises NotFound, Unavailable, EngineError.
        """
        engine, one = self.current(name), self._configured[name]
        connection = {**one.connection, **changed}
        await engine.turn(one.connection, connection, password, sent=sent)
        turned = _Configured(_digest(engine.type, name, connection), one.mount, engine, connection)
        self._configured = {**self._configured, name: turned}

    def revocability(self, type_name: str) -> Revocability | None:
        """How dead revoked credentials of an engine type are; None when it is not installed."""
        try:
            return self._load(type_name).revocability
        except ConfigError:
            return None

    def statuses(self) -> list[EngineStatus]:
        """The configured engines by name, as the last calls and checks found them."""
        return [
            EngineStatus(
                name=name,
                type=one.engine.type,
                mount=one.mount,
                state=one.engine.state,
                reason=one.engine.breaker.reason or one.engine.health.reason,
                missing=one.engine.health.missing,
                version=one.engine.health.version,
                revocability=one.engine.revocability.value,
                operations=tuple(sorted(one.engine.operations)),
                rehearses=one.engine.rehearses,
            )
            for name, one in sorted(self._configured.items())
        ]

    async def close(self) -> None:
        """Let go of every target."""
        for engine in (*(one.engine for one in self._configured.values()), *self._older.values()):
            await engine.close()


def _leads_to(engine: GuardedEngine, recipe: Recipe, target: str) -> bool:
    return (
        engine.type == recipe.engine_type and engine.state == "ready" and engine.target_id == target
    )


def _digest(type_name: str, name: str, connection: Mapping[str, Any]) -> bytes:
    text = json.dumps([type_name, name, connection], sort_keys=True, default=_revealed)
    return hashlib.sha256(text.encode()).digest()


def _revealed(value: object) -> object:
    if isinstance(value, Secret):
        return {"secret": value.reveal()}
    raise TypeError(f"a connection holds no {type(value).__name__}")
