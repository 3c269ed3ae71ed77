"""The whole surface on one page: which method at which path is served by what.

Paths are matched exactly and as they were sent: nothing is decoded or normalised (rule H4), since
no name of ours needs it. A path that begins with a slash stands for itself, all others are below
`PREFIX`. What a route takes and answers is told beside its handler, see `described`. Pure.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from leasehold.api.access import AccessHandlers
from leasehold.api.audit import AuditHandlers
from leasehold.api.body import BODY_BYTES, BUNDLE_BYTES
from leasehold.api.caller import CallerHandlers
from leasehold.api.drift import DriftHandlers
from leasehold.api.drills import DrillHandlers
from leasehold.api.handlers import Ask, Handlers
from leasehold.api.incidents import IncidentHandlers
from leasehold.api.irrevocable import IrrevocableHandlers
from leasehold.api.logins import LoginHandlers
from leasehold.api.metrics import MetricsHandlers
from leasehold.api.policy import PolicyHandlers
from leasehold.api.quarantine import QuarantineHandlers
from leasehold.api.quotas import QuotaHandlers
from leasehold.api.replacing import ReplacingHandlers
from leasehold.api.replies import Reply
from leasehold.api.revocations import RevocationHandlers
from leasehold.api.rotation import RotationHandlers
from leasehold.api.sealed import SealedHandlers
from leasehold.api.sealing import SealHandlers
from leasehold.api.secret_ids import SecretIdHandlers
from leasehold.api.tokens import TokenHandlers
from leasehold.api.vault import VaultHandlers
from leasehold.api.whois import WhoisHandlers
from leasehold.api.wrapping import WrappingHandlers
from leasehold.policy.compile import RESERVED_MOUNTS

PREFIX = "/v1/"
GET = frozenset({"GET"})
LIST = frozenset({"LIST"})
WRITE = frozenset({"PUT", "POST"})
HEALTH = frozenset({"GET", "HEAD"})
CHANGE = WRITE | {"DELETE", "PATCH"}

Handler = Callable[[Ask], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """A path with `{names}` for one part and `{names…}` for the rest, and who serves it.

    Below `/v1/`, or where it says when it begins with a slash. One that is `open` is served to the
    peer itself, whatever token was sent.
    """

    path: str
    methods: frozenset[str]
    pattern: re.Pattern[str]
    handler: Handler
    body_bytes: int = BODY_BYTES
    open: bool = False

    @property
    def url(self) -> str:
        """The whole path that a request has."""
        return _url(self.path)


def routes(
    serve: Handlers,
    policy: PolicyHandlers,
    access: AccessHandlers,
    drills: DrillHandlers,
    drift: DriftHandlers,
    metrics: MetricsHandlers,
    vault: VaultHandlers,
    revocations: RevocationHandlers,
    irrevocable: IrrevocableHandlers,
    audit: AuditHandlers,
    caller: CallerHandlers,
    whois: WhoisHandlers,
    logins: LoginHandlers,
    tokens: TokenHandlers,
    wrapping: WrappingHandlers,
    secret_ids: SecretIdHandlers,
    quotas: QuotaHandlers,
    incidents: IncidentHandlers,
    seal: SealHandlers,
    rotation: RotationHandlers,
    quarantine: QuarantineHandlers,
    replacing: ReplacingHandlers,
) -> tuple[Route, ...]:
    """The table, first match first."""
    state, mounts, rights = vault.state, vault.mounts, vault.rights
    policies, configured, secrets = vault.policies, vault.configured, vault.secrets
    return (
        _route(HEALTH, "/health", state.health, open=True),
        _route(HEALTH, "/healthz", state.healthz, open=True),
        _route(GET, "/api/v1/secrets/{path…}", secrets.read),
        _route(WRITE, "/api/v1/secrets/{path…}/rotate", secrets.rotate),
        _route(CHANGE, "/api/v1/secrets/{path…}", secrets.keep),
        _route(HEALTH, "sys/health", state.health, open=True),
        _route(GET, "sys/seal-status", state.seal_status, open=True),
        _route(GET, "sys/init", state.init, open=True),
        _route(GET, "sys/leader", state.leader, open=True),
        _route(WRITE, "sys/init", state.refuse),
        _route(WRITE, "sys/seal", seal.seal_as_vault),
        _route(WRITE, "sys/unseal", state.unseal, open=True),
        _route(WRITE, "leasehold/seal", seal.seal),
        _route(GET, "sys/mounts", mounts.engines),
        _route(GET, "sys/mounts/{mount}", mounts.engine),
        _route(GET, "sys/mounts/{mount}/tune", mounts.tune),
        _route(GET, "sys/auth", mounts.methods, open=True),
        _route(GET, "sys/internal/ui/mounts", mounts.visible),
        _route(GET, "sys/internal/ui/mounts/{path…}", mounts.preflight),
        _route(GET, "sys/internal/specs/openapi", vault.spec.openapi),
        _route(WRITE, "sys/capabilities-self", rights.of_caller),
        _route(WRITE, "sys/capabilities", rights.of_token),
        _route(WRITE, "sys/capabilities-accessor", rights.of_accessor),
        _route(LIST, "sys/policies/acl", policies.names),
        _route(GET, "sys/policies/acl/{name}", policies.read),
        _route(GET | LIST, "sys/policy", policies.names),
        _route(GET, "sys/policy/{name}", policies.read),
        _route(CHANGE, "sys/mounts/{mount}", configured.refuse_mount),
        _route(CHANGE, "sys/mounts/{mount}/tune", configured.refuse_mount),
        _route(WRITE, "sys/remount", configured.refuse_mount),
        _route(CHANGE, "sys/auth/{rest…}", configured.refuse_method),
        _route(CHANGE, "sys/policies/acl/{name}", configured.refuse_rules),
        _route(CHANGE, "sys/policies/password/{name}", configured.refuse_passwords),
        _route(CHANGE, "sys/policy/{name}", configured.refuse_rules),
        _route(WRITE, "sys/leases/lookup", serve.lookup),
        _route(LIST, "sys/leases/lookup/", serve.list_below),
        _route(LIST, "sys/leases/lookup/{prefix…}", serve.list_below),
        _route(WRITE, "sys/leases/renew", serve.renew),
        _route(WRITE, "sys/leases/renew/{lease_id…}", serve.renew),
        _route(WRITE, "sys/leases/revoke", serve.revoke),
        _route(WRITE, "sys/leases/revoke/{lease_id…}", serve.revoke),
        _route(WRITE, "sys/leases/revoke-prefix/{prefix…}", revocations.revoke_prefix),
        _route(WRITE, "sys/leases/revoke-force/{prefix…}", revocations.revoke_force),
        _route(WRITE, "sys/leases/tidy", irrevocable.tidy),
        _route(GET, "sys/leases/count", irrevocable.count),
        _route(GET, "sys/leases", irrevocable.leases),
        _route(WRITE, "sys/renew", serve.renew),
        _route(WRITE, "sys/renew/{lease_id…}", serve.renew),
        _route(WRITE, "sys/revoke", serve.revoke),
        _route(WRITE, "sys/revoke/{lease_id…}", serve.revoke),
        _route(WRITE, "sys/revoke-prefix/{prefix…}", revocations.revoke_prefix),
        _route(WRITE, "sys/revoke-force/{prefix…}", revocations.revoke_force),
        _route(GET, "sys/metrics", metrics.metrics),
        _route(GET, "leasehold/status", serve.status),
        _route(GET, "leasehold/engines", serve.engines),
        _route(GET, "leasehold/leases", serve.leases),
        _route(WRITE, "leasehold/leases/replace", replacing.replace),
        _route(WRITE, "leasehold/leases/acknowledge", replacing.acknowledge),
        _route(GET, "leasehold/quotas", quotas.quotas),
        _route(GET, "leasehold/revocations", revocations.revocations),
        _route(GET, "leasehold/revocations/{id}", revocations.revocation),
        _route(WRITE, "leasehold/incidents/preview", incidents.preview),
        _route(WRITE, "leasehold/incidents", incidents.open),
        _route(GET, "leasehold/incidents", incidents.incidents),
        _route(GET, "leasehold/incidents/{id}", incidents.incident),
        _route(WRITE, "leasehold/incidents/{id}/revoke", incidents.revoke),
        _route(WRITE, "leasehold/incidents/{id}/close", incidents.close),
        _route(GET, "leasehold/quarantine", quarantine.show),
        _route(WRITE, "leasehold/quarantine/release", quarantine.release),
        _route(GET | WRITE, "leasehold/plan", policy.plan, BUNDLE_BYTES),
        _route(WRITE, "leasehold/apply", policy.apply),
        _route(GET, "leasehold/generations", policy.generations),
        _route(GET, "leasehold/whoami", caller.whoami),
        _route(WRITE, "leasehold/can-i", access.can_i),
        _route(GET, "leasehold/who-can", access.who_can),
        _route(GET, "leasehold/explain/{request_id}", access.explain),
        _route(GET, "leasehold/audit", audit.lines),
        _route(GET, "leasehold/whois/{account}", whois.whois),
        _route(WRITE, "leasehold/drill", drills.drill),
        _route(GET, "leasehold/drills", drills.drills),
        _route(GET, "leasehold/drift", drift.standing),
        _route(WRITE, "leasehold/drift", drift.look),
        _route(GET, "leasehold/orphans", drift.orphans),
        _route(WRITE, "leasehold/orphans", drift.remove, BUNDLE_BYTES),
        _route(WRITE, "auth/{method}/login", logins.login, open=True),
        _route(WRITE, "/api/v1/auth/login", logins.login, open=True),
        _route(GET | WRITE, "auth/token/lookup-self", tokens.lookup_self),
        _route(GET | WRITE, "auth/token/lookup", tokens.lookup),
        _route(WRITE, "auth/token/lookup-accessor", tokens.lookup_accessor),
        _route(WRITE, "auth/token/renew-self", tokens.renew_self),
        _route(WRITE, "auth/token/renew", tokens.renew),
        _route(WRITE, "auth/token/renew-accessor", tokens.renew_accessor),
        _route(WRITE, "auth/token/revoke-self", tokens.revoke_self),
        _route(WRITE, "auth/token/revoke", tokens.revoke),
        _route(WRITE, "auth/token/revoke-accessor", tokens.revoke_accessor),
        _route(WRITE, "auth/token/revoke-orphan", tokens.revoke_orphan),
        _route(WRITE, "auth/token/create", tokens.create),
        _route(WRITE, "auth/token/create-orphan", tokens.create_orphan),
        _route(LIST, "auth/token/accessors", tokens.accessors),
        _route(GET, "leasehold/tokens", tokens.tokens),
        _route(WRITE, "sys/wrapping/wrap", wrapping.wrap),
        _route(WRITE, "sys/wrapping/unwrap", wrapping.unwrap, open=True),
        _route(WRITE, "sys/wrapping/lookup", wrapping.lookup, open=True),
        _route(WRITE, "sys/wrapping/rewrap", wrapping.rewrap, open=True),
        _route(CHANGE, "auth/{method}/config", configured.refuse_method),
        _route(CHANGE, "auth/{method}/config/{rest…}", configured.refuse_method),
        _route(LIST, "auth/{method}/role", secret_ids.roles),
        _route(GET, "auth/{method}/role/{role}", secret_ids.role),
        _route(GET, "auth/{method}/role/{role}/role-id", secret_ids.role_id),
        _route(LIST, "auth/{method}/role/{role}/secret-id", secret_ids.accessors),
        _route(WRITE, "auth/{method}/role/{role}/secret-id", secret_ids.make),
        _route(WRITE, "auth/{method}/role/{role}/secret-id/lookup", secret_ids.lookup),
        _route(WRITE, "auth/{method}/role/{role}/secret-id/destroy", secret_ids.destroy),
        _route(WRITE, "auth/{method}/role/{role}/secret-id-accessor/lookup", secret_ids.lookup_by),
        _route(
            WRITE, "auth/{method}/role/{role}/secret-id-accessor/destroy", secret_ids.destroy_by
        ),
        _route(WRITE, "auth/{method}/role/{role}/custom-secret-id", secret_ids.refuse_custom),
        _route(CHANGE, "auth/{method}/role/{role…}", configured.refuse_method),
        _route(CHANGE, "auth/{method}/users/{rest…}", configured.refuse_method),
        _route(GET, "leasehold/rotations", rotation.rotations),
        _route(WRITE, "leasehold/static/{mount}/{name}/acknowledge", rotation.acknowledge),
        _route(WRITE, "{mount}/rotate-root/{engine}", rotation.rotate_root),
        _route(WRITE, "{mount}/rotate-role/{name}", rotation.rotate_role),
        _route(GET, "{mount}/static-creds/{name}", rotation.static_creds),
        _route(LIST, "{mount}/static-roles", rotation.static_roles),
        _route(GET, "{mount}/static-roles/{name}", rotation.static_role),
        _route(LIST, "{mount}/roles", configured.roles),
        _route(LIST, "{mount}/config", configured.connections),
        _route(GET, "{mount}/roles/{name}", configured.role),
        _route(GET, "{mount}/config/{name}", configured.connection),
        _route(CHANGE, "{mount}/roles/{name}", configured.refuse_role),
        _route(CHANGE, "{mount}/config/{name}", configured.refuse_connection),
        _route(CHANGE, "{mount}/config", configured.refuse_connection),
        _route(GET | WRITE, "{mount}/{operation}/{role}", serve.issue),
    )


def sealed_routes(sealed: SealedHandlers) -> tuple[Route, ...]:
    """The table of a sealed daemon; nobody has a token there."""
    return (
        _route(HEALTH, "/health", sealed.health, open=True),
        _route(HEALTH, "sys/health", sealed.health, open=True),
        _route(GET, "sys/seal-status", sealed.seal_status, open=True),
        _route(GET, "sys/init", sealed.init, open=True),
        _route(WRITE, "sys/unseal", sealed.unseal, open=True),
        _route(HEALTH | LIST | CHANGE, "/{path…}", sealed.refuse, open=True),
    )


def _url(path: str) -> str:
    return path if path.startswith("/") else PREFIX + path


def _route(
    methods: frozenset[str],
    path: str,
    handler: Handler,
    body_bytes: int = BODY_BYTES,
    *,
    open: bool = False,
) -> Route:
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", _url(path))
    pattern = re.sub(r"\{(\w+)…\}", r"(?P<\1>.+)", pattern)
    reserved = "|".join(sorted(RESERVED_MOUNTS))
    pattern = pattern.replace("(?P<mount>", f"(?P<mount>(?!(?:{reserved})/)")
    if "LIST" in methods and not path.endswith(("/", "…}")):
        pattern += "/?"  # some clients put one there, Go's take it away
    return Route(path, methods, re.compile(pattern), handler, body_bytes, open)
