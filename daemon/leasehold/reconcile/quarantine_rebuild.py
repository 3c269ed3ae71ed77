"""What the audit knows of a lease and the store does not: what became of it, or all of it.

One that is not in the store is made anew from its lines and the policy that is served.
What it takes to take the account away is not in the audit, so the role must still be there; of
leases whose role has gone, the accounts are orphans.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from leasehold.access import Access
from leasehold.bundle import EngineConfig, Role
from leasehold.errors import NotFound
from leasehold.leases import lifecycle
from leasehold.leases.token_store import TokenStore
from leasehold.model import TOKEN_HOLDER, Cause, Lease, LeaseState, Recipe
from leasehold.reconcile.replay import Told


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A lease as it was before it became active, and what takes its account away."""

    lease: Lease
    recipe: Recipe

    def active(self) -> Lease:
        """The lease as it lives on."""
        return lifecycle.activate(self.lease, self.lease.handle)

    def ending(self, now_ms: int, cause: Cause) -> Lease:
        """The lease as it ends now."""
        return lifecycle.revoke(self.lease, now_ms, cause)


class Rebuilding:
    """Makes leases anew. `recipe_of` freezes what revoking an account of a role will need."""

    def __init__(
        self,
        access: Access,
        tokens: TokenStore,
        recipe_of: Callable[[EngineConfig, Role], Recipe],
    ) -> None:
        self._access = access
        self._tokens = tokens
        self._recipe_of = recipe_of

    def engine_of(self, told: Told) -> str:
        """The name of the engine that the account of a lease was made by. Raises NotFound."""
        config, _, _ = self._place(told)
        return config.name

    async def since(self, told: Told, lease_ms: Callable[[str], int]) -> Mapping[str, Any]:
        """What became of a lease that the store knows, by its fields. Raises Unavailable."""
        found: dict[str, Any] = {}
        if told.made:
            found = {**await self._whose(told), "issued_ms": told.issued_ms}
            found["max_expires_ms"] = lease_ms(told.made["max_expires"])
            found["ttl_ms"] = told.expires_ms - told.issued_ms
        if told.replaced_by:
            found |= {"replaced_by": told.replaced_by, "max_expires_ms": told.expires_ms}
        return found

    async def rebuild(
        self, told: Told, target: str, lease_ms: Callable[[str], int], now_ms: int
    ) -> Rebuilt:
        """The lease that the audit tells of; `target` is where its engine leads now.

        Raises NotFound when the policy has no longer what it was made by, Unavailable.
        """
        config, role, (mount, operation, name) = self._place(told)
        recipe = self._recipe_of(config, role)
        issued_ms = told.issued_ms or min(now_ms, told.expires_ms) - role.default_ttl_s * 1000
        expires_ms = max(told.expires_ms, issued_ms + 1)
        most = (told.made or {}).get("max_expires")
        most_ms = lease_ms(most) if most else issued_ms + role.max_ttl_s * 1000
        lease = Lease(
            id=told.lease_id,
            state=LeaseState.PENDING,
            mount=mount,
            operation=operation,
            role=name,
            engine=config.name,
            engine_type=config.type,
            account=told.account,
            target=told.target or target,
            recipe_id=recipe.id,
            generation=self._access.generation().number,
            issued_ms=issued_ms,
            ttl_ms=expires_ms - issued_ms,
            expires_ms=expires_ms,
            max_expires_ms=expires_ms if told.replaced_by else max(most_ms, expires_ms),
            next_ms=expires_ms,
            replaced_by=told.replaced_by,
            **await self._whose(told),
        )
        return Rebuilt(lease, recipe)

    async def _whose(self, told: Told) -> dict[str, Any]:
        """Whose a lease is by the line of its issue, and what else that has."""
        made = told.made or {}
        who = self._access.generation().bundle.identities.get(told.identity)
        return {
            "identity": told.identity,
            "owner": made.get("owner") or (who.owner if who else ""),
            "tenant": made.get("tenant") or (who.tenant if who else ""),
            "labels": told.labels,
            "holder": await self._holder(made.get("holder", "")),
            "replaces": made.get("replaces", ""),
            "handle": made.get("handle", {}),
        }

    def _place(self, told: Told) -> tuple[EngineConfig, Role, tuple[str, str, str]]:
        mount, operation, name = told.lease_id.rpartition("/")[0].split("/")
        config, role = self._access.role(mount, name)
        made_by = (told.made or {}).get("engine", config.name)
        if config.name != made_by or config.name not in self._access.generation().connections:
            raise NotFound(f"role {mount}/{name} has no engine {made_by} that can be used")
        return config, role, (mount, operation, name)

    async def _holder(self, holder: str) -> str:
        """What the lease is bound to; not a token that the older store does not know, or has over.

        Whoever has that token cannot use it any more.
        """
        if not holder.startswith(TOKEN_HOLDER):
            return holder
        line = await self._tokens.line_of(holder.removeprefix(TOKEN_HOLDER))
        return holder if line and line[0].cause is None else ""
