"""Requests without HTTP: the table of routes over the objects of a World."""

from collections.abc import Mapping
from typing import Any

from fakes.policies import SCHEMA, engine_type
from fakes.policy import HOLDER
from fakes.world import World
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask, Handlers
from leasehold.api.openapi import document, table
from leasehold.api.renewals import FailedRenewals
from leasehold.api.replies import Reply
from leasehold.api.routes import Route
from leasehold.api.vault import VaultHandlers, vault_handlers
from leasehold.model import Caller

OF_VAULT = {kind.__name__: name for name, kind in VaultHandlers.__annotations__.items()}


class Routed:
    """Asks the routes that `VaultHandlers` serve, and those of leases."""

    def __init__(self, world: World, operations: frozenset[str] = frozenset({"creds"})) -> None:
        types = {"fake": engine_type(operations=operations, schema=SCHEMA)}
        serve = Handlers(world.issuance, world.inspection, FailedRenewals(lambda: 0.0))
        self._serve = serve
        self._vault = vault_handlers(
            world.access, world.issuance, serve, world.tokens, types, document
        )

    async def __call__(
        self,
        method: str,
        url: str,
        caller: Caller = HOLDER,
        body: Mapping[str, Any] | None = None,
    ) -> Reply:
        route, path = self._find(method, url)
        kind, _, name = route.handler.__qualname__.partition(".")
        served = getattr(self._vault, OF_VAULT[kind]) if kind in OF_VAULT else self._serve
        return await getattr(served, name)(Ask(caller, path, Fields(body or {})))

    @staticmethod
    def _find(method: str, url: str) -> tuple[Route, Mapping[str, str]]:
        for route in table():
            if method in route.methods and (found := route.pattern.fullmatch(url)):
                return route, found.groupdict()
        raise AssertionError(f"no route for {method} {url}")
