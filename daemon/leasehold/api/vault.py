"""What Vault's clients ask besides leases, in one hand; and the other names for the same things."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from leasehold.access import Access
from leasehold.api.capabilities import CapabilityHandlers
from leasehold.api.configured import ConfiguredHandlers
from leasehold.api.handlers import Handlers
from leasehold.api.mounts import MountHandlers
from leasehold.api.policies import PoliciesHandlers
from leasehold.api.secrets import SecretsHandlers
from leasehold.api.spec import SpecHandlers
from leasehold.api.state import StateHandlers
from leasehold.bundle import EngineType
from leasehold.issuance import Issuance
from leasehold.tokens.tokens import Tokens


@dataclass(frozen=True, slots=True)
class VaultHandlers:
    """Handlers by what they are about."""

    state: StateHandlers
    mounts: MountHandlers
    rights: CapabilityHandlers
    policies: PoliciesHandlers
    configured: ConfiguredHandlers
    secrets: SecretsHandlers
    spec: SpecHandlers


def vault_handlers(
    access: Access,
    issuance: Issuance,
    serve: Handlers,
    tokens: Tokens,
    types: Mapping[str, EngineType],
    document: Callable[[], Mapping[str, Any]],
) -> VaultHandlers:
    """All of them, over the verbs, for engines of these types; `document` describes all routes."""
    return VaultHandlers(
        state=StateHandlers(issuance.clock),
        mounts=MountHandlers(access),
        rights=CapabilityHandlers(access, tokens),
        policies=PoliciesHandlers(access),
        configured=ConfiguredHandlers(access, types),
        secrets=SecretsHandlers(access, issuance, serve, types),
        spec=SpecHandlers(document),
    )
