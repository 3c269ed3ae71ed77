"""The routes about mounts and ways to log in, as Vault's clients ask for them.

A caller sees the mounts below which the policy allows it anything, and an operator all of them.
"""

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from leasehold.access import Access
from leasehold.api.described import described
from leasehold.api.handlers import Ask
from leasehold.api.replies import Reply, doubled
from leasehold.bundle import Bundle, Match, Mount, TlsMatch, UnixMatch
from leasehold.errors import Invalid
from leasehold.model import Caller

ENGINES, OPERATE = "leasehold/engines", "operate"
SYSTEM = "sys"
METHODS: Mapping[type[Match], tuple[str, str, str]] = {
    UnixMatch: ("unix", "unix", "who asks is what the kernel says of the socket's other end"),
    TlsMatch: ("cert", "cert", "who asks is whom the client's certificate names"),
}
"""How callers become known: name, type, description, by what identities match."""


class MountHandlers:
    """Shows what the served policy has."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @described(refusals=())
    async def engines(self, ask: Ask) -> Reply:
        """`sys/mounts`: the mounts that the caller may see."""
        return Reply(body=doubled(self._engines(ask.caller)))

    @described(refusals=())
    async def engine(self, ask: Ask) -> Reply:
        """`sys/mounts/<mount>`: one mount."""
        return Reply(body=doubled(self._engine(ask)))

    @described(refusals=())
    async def tune(self, ask: Ask) -> Reply:
        """`sys/mounts/<mount>/tune`: the limits that hold on a mount."""
        info = self._engine(ask)
        limits = {"description": info["description"], **info["config"]}
        return Reply(body=doubled(limits))

    @described(refusals=())
    async def methods(self, ask: Ask) -> Reply:
        """`sys/auth`: how callers become known."""
        return Reply(body=doubled(self._methods()))

    @described(refusals=())
    async def visible(self, ask: Ask) -> Reply:
        """`sys/internal/ui/mounts`: mounts and ways to log in together."""
        return Reply(body={"data": {"secret": self._engines(ask.caller), "auth": self._methods()}})

    @described()
    async def preflight(self, ask: Ask) -> Reply:
        """`sys/internal/ui/mounts/<path>`: the mount that a path belongs to.

        A mount that there is none of is refused like one that the caller may not see.
        """
        path = ask.path["path"]
        mount = path.partition("/")[0]
        info = self._engines(ask.caller).get(f"{mount}/")
        if info is None:
            raise await self._access.denied(ask.caller, path, "issue", "no rule allows anything")
        return Reply(body={"data": {**info, "path": f"{mount}/"}})

    def _engine(self, ask: Ask) -> Mapping[str, Any]:
        name = ask.path["mount"]
        info = self._engines(ask.caller).get(f"{name}/")
        if info is None:
            raise Invalid(f"no engine that you may use is mounted at {name[:100]}/")
        return info

    def _methods(self) -> dict[str, Mapping[str, Any]]:
        """The socket, what else an identity is matched by, and what the policy configures."""
        bundle = self._access.generation().bundle
        identities = bundle.identities.values()
        used = {UnixMatch, *(type(match) for identity in identities for match in identity.match)}
        return {
            f"{name}/": _info(name, kind, about, Mount())
            for match, (name, kind, about) in METHODS.items()
            if match in used
        } | {
            f"{method.name}/": {
                **_info(method.name, method.type, "as the policy says", Mount()),
                "options": dict(method.fields) or None,
            }
            for method in bundle.auth.values()
        }

    def _engines(self, caller: Caller) -> dict[str, Mapping[str, Any]]:
        bundle = self._access.generation().bundle
        everything = self._access.decide(caller, ENGINES, OPERATE).allowed
        mounts = {engine.mount for engine in bundle.engines.values()}
        shown: dict[str, Mapping[str, Any]] = {
            f"{mount}/": _of_engines(bundle, mount)
            for mount in sorted(mounts)
            if everything or self._access.reaches(caller, f"{mount}/")
        }
        shown[f"{SYSTEM}/"] = _info(SYSTEM, "system", "what the daemon tells of itself", Mount())
        return shown


def _of_engines(bundle: Bundle, mount: str) -> dict[str, Any]:
    engines = [engine for engine in bundle.engines.values() if engine.mount == mount]
    kind = "+".join(sorted({engine.type for engine in engines}))
    about = f"{len(engines)} engine{'s' if len(engines) > 1 else ''} of the policy"
    return _info(mount, kind, about, bundle.mounts.get(mount, Mount()))


def _info(name: str, kind: str, about: str, limits: Mount) -> dict[str, Any]:
    """A mount in the fields that Vault's clients read. What names it is the same at every start."""
    return {
        "type": kind,
        "description": about,
        "accessor": f"{kind}_{hashlib.sha256(name.encode()).hexdigest()[:8]}",
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"leasehold:{name}")),
        "local": False,
        "seal_wrap": False,
        "external_entropy_access": False,
        "options": None,
        "plugin_version": "",
        "running_plugin_version": "",
        "running_sha256": "",
        "config": {
            "default_lease_ttl": limits.default_ttl_s,
            "max_lease_ttl": limits.max_ttl_s,
            "force_no_cache": False,
        },
    }
