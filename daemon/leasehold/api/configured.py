"""The routes at which Vault is configured: here they show what the policy files say, and refuse to
change it, naming the place in them.

A role is shown to those who may issue from it, an engine's connection to whoever may operate on
engines, who sees all roles too. No secret is shown; a reference to one is no secret.
"""

from collections.abc import Mapping
from typing import Any

from leasehold.access import Access
from leasehold.api.described import described
from leasehold.api.handlers import Ask
from leasehold.api.mounts import ENGINES, OPERATE
from leasehold.api.replies import Reply
from leasehold.bundle import Bundle, EngineConfig, EngineType, Reference, Role
from leasehold.errors import Denied, NotFound, Unsupported
from leasehold.model import Caller
from leasehold.policy import editing

_REFUSED = described(answers=(), refusals=(Unsupported,))


class ConfiguredHandlers:
    """Reads the served policy; `types` say what is secret in a connection."""

    def __init__(self, access: Access, types: Mapping[str, EngineType]) -> None:
        self._access = access
        self._types = types

    @described(refusals=(NotFound,))
    async def roles(self, ask: Ask) -> Reply:
        """LIST `<mount>/roles`: the roles that the caller may see."""
        return _keys(self._roles(ask.caller, ask.path["mount"]))

    @described(refusals=(Denied, NotFound))
    async def role(self, ask: Ask) -> Reply:
        """`<mount>/roles/<name>`: a role as it is configured."""
        mount, name = ask.path["mount"], ask.path["name"]
        role = self._roles(ask.caller, mount).get(name)
        if role is None:
            raise await self._hidden(ask.caller, f"{mount}/roles/{name}")
        shown = {
            **{key: _shown(value) for key, value in role.options.items()},
            "db_name": role.engine,
            "default_ttl": role.default_ttl_s,
            "max_ttl": role.max_ttl_s,
            "max_leases": role.max_leases,
            "configured_at": self._bundle().places.get(f"role:{role.engine}/{role.name}", ""),
        }
        return Reply(body={"data": shown})

    @described(refusals=(NotFound,))
    async def connections(self, ask: Ask) -> Reply:
        """LIST `<mount>/config`: the engines of a mount."""
        return _keys(self._engines(ask.caller, ask.path["mount"]))

    @described(refusals=(Denied, NotFound))
    async def connection(self, ask: Ask) -> Reply:
        """`<mount>/config/<engine>`: an engine as it is configured, without its secrets."""
        mount, name = ask.path["mount"], ask.path["name"]
        engine = self._engines(ask.caller, mount).get(name)
        if engine is None:
            raise await self._hidden(ask.caller, f"{mount}/config/{name}")
        rules = self._types[engine.type].schema["$defs"]["connection"].get("properties", {})
        roles = self._bundle().roles.values()
        shown = {
            "plugin_name": engine.type,
            "connection_details": {
                key: _shown(value)
                for key, value in engine.connection.items()
                if not rules.get(key, {}).get("writeOnly")
            },
            "allowed_roles": sorted(role.name for role in roles if role.engine == name),
            "configured_at": self._bundle().places.get(f"engine:{name}", ""),
        }
        return Reply(body={"data": shown})

    @_REFUSED
    async def refuse_role(self, ask: Ask) -> Reply:
        """`<mount>/roles/<name>`: that roles stand in the policy files, and where."""
        mount, name = ask.path["mount"], ask.path["name"]
        known = self._knows(ask.caller, mount)
        hint = editing.of_role(self._bundle(), mount, name, known=known)
        raise _refusal(f"{mount}/roles/{name}", hint)

    @_REFUSED
    async def refuse_connection(self, ask: Ask) -> Reply:
        """`<mount>/config`: that engines stand in the policy files, and where."""
        mount, name = ask.path["mount"], ask.path.get("name", "")
        known = self._knows(ask.caller, mount)
        hint = editing.of_engine(self._bundle(), mount, name, known=known)
        raise _refusal(f"{mount}/config/{name}", hint)

    @_REFUSED
    async def refuse_mount(self, ask: Ask) -> Reply:
        """`sys/mounts`: that mounts come from engines in the policy files."""
        mount = ask.path.get("mount", "<mount>")
        known = self._knows(ask.caller, mount)
        raise _refusal(f"the mount {mount}", editing.of_limits(self._bundle(), mount, known=known))

    @_REFUSED
    async def refuse_rules(self, ask: Ask) -> Reply:
        """`sys/policies/acl`: that access rules stand in the policy files, and where."""
        name = ask.path["name"]
        known = self._operates(ask.caller)
        raise _refusal(f"the policy {name}", editing.of_rules(self._bundle(), name, known=known))

    @_REFUSED
    async def refuse_passwords(self, ask: Ask) -> Reply:
        """`sys/policies/password`: that it stands in the policy files how passwords are made."""
        name = ask.path["name"]
        raise _refusal(f"the password policy {name}", editing.of_passwords(name))

    @_REFUSED
    async def refuse_method(self, ask: Ask) -> Reply:
        """`sys/auth`: that it stands in the policy files who a caller is."""
        raise _refusal("how callers become known", editing.of_methods())

    def _bundle(self) -> Bundle:
        return self._access.generation().bundle

    def _operates(self, caller: Caller) -> bool:
        return self._access.decide(caller, ENGINES, OPERATE).allowed

    def _knows(self, caller: Caller, mount: str) -> bool:
        """Whether the caller may be told what is on a mount: it can learn as much by asking."""
        return self._operates(caller) or self._access.reaches(caller, f"{mount}/")

    def _roles(self, caller: Caller, mount: str) -> dict[str, Role]:
        bundle, everything = self._bundle(), self._operates(caller)
        return {
            name: role
            for (its_mount, name), role in bundle.roles.items()
            if its_mount == mount and (everything or self._may_issue(caller, mount, role))
        }

    def _may_issue(self, caller: Caller, mount: str, role: Role) -> bool:
        operations = self._types[self._bundle().engines[role.engine].type].operations
        paths = (f"{mount}/{operation}/{role.name}" for operation in operations)
        return any(self._access.decide(caller, path, "issue").allowed for path in paths)

    def _engines(self, caller: Caller, mount: str) -> dict[str, EngineConfig]:
        engines = self._bundle().engines.items() if self._operates(caller) else ()
        return {name: engine for name, engine in engines if engine.mount == mount}

    async def _hidden(self, caller: Caller, path: str) -> Denied | NotFound:
        """What is not there, to operators; to others the same as what they may not see."""
        if self._operates(caller):
            return NotFound("")
        return await self._access.denied(caller, path, "issue", "no rule allows it")


def _keys(found: Mapping[str, object]) -> Reply:
    if not found:
        raise NotFound("")
    return Reply(body={"data": {"keys": sorted(found)}})


def _shown(value: Any) -> Any:
    return f"{value.scheme}:{value.target}" if isinstance(value, Reference) else value


def _refusal(what: str, hint: str) -> Unsupported:
    return Unsupported(
        f"{what[:200]} is not written here, since all is configured by the policy files: {hint},"
        " and apply the policy"
    )
