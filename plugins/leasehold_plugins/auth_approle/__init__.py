"""Logging in with a role id and a secret id, for programs that nothing else attests.

Roles stand in the policy; secret ids are made by whoever may, and are the daemon's to keep, count
and end. What is here says what holds for them, and which facts a login proves: its role.
"""

from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Any, ClassVar

from leasehold.plugin import (
    BadLogin,
    LoginMethod,
    LoginRequest,
    Proven,
    SecretIdMethod,
    SecretIdRole,
    TokenTerms,
    hookimpl,
)

TTL_S = 86_400
USES = 1


class AppRoleLogin(SecretIdMethod):
    """The roles of one method."""

    type: ClassVar[str] = "approle"

    def __init__(self, name: str, options: Mapping[str, Any], clock: Callable[[], float]) -> None:
        self._name = name
        self._options: Mapping[str, Mapping[str, Any]] = options["roles"]
        self.roles = {role: _settings(role, each) for role, each in self._options.items()}
        given = [each.role_id for each in self.roles.values() if each.role_id]
        if len(given) > len(set(given)):
            raise ValueError("two roles have the same role_id; each needs one of its own")

    async def attest(self, request: LoginRequest) -> Proven:
        """Which role the two ids are of."""
        role_id, secret_id = request.text("role_id"), request.text("secret_id")
        if not role_id:
            raise BadLogin("missing role_id")
        if not secret_id:
            raise BadLogin("missing secret_id")
        redeemed = await request.redeem(role_id, secret_id)
        terms = self._options[redeemed.role]
        return Proven(
            facts=[("role", redeemed.role)],
            name=f"{self._name}-{redeemed.role}",
            meta={**redeemed.meta, "role_name": redeemed.role},
            terms=TokenTerms(
                ttl_s=terms.get("token_ttl"),
                max_ttl_s=terms.get("token_max_ttl"),
                uses=terms.get("token_num_uses"),
            ),
        )


def _settings(role: str, options: Mapping[str, Any]) -> SecretIdRole:
    try:
        networks = tuple(map(ip_network, options.get("secret_id_bound_cidrs", ())))
    except ValueError as wrong:
        raise ValueError(
            f"roles.{role}.secret_id_bound_cidrs: {wrong}; allowed are networks such as 10.0.0.0/8"
        ) from None
    return SecretIdRole(
        ttl_s=options.get("secret_id_ttl", TTL_S),
        uses=options.get("secret_id_num_uses", USES),
        networks=networks,
        role_id=options.get("role_id", ""),
    )


@hookimpl
def leasehold_login_method() -> type[LoginMethod]:
    """See `leasehold.plugin.hooks`."""
    return AppRoleLogin
