"""What the administrator lacks, found before the first account is made, with the line to run."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leasehold.plugin import Health
from leasehold_plugins.mongodb import recipes
from leasehold_plugins.mongodb.address import is_here
from leasehold_plugins.mongodb.deployment import Client, Deployment
from leasehold_plugins.mongodb.recipes import ADMIN, Recipe
from leasehold_plugins.mongodb.topology import is_sharded, silent

OLDEST = 5
_CLUSTER = (
    ("viewUser", "find accounts"),
    ("killAnySession", "end sessions"),
    ("serverStatus", "see how many connections there are"),
)
_HOME = (
    ("createUser", "make accounts"),
    ("dropUser", "remove accounts"),
    ("changeCustomData", "renew accounts"),
)
_ROLE = (("grantRole", "grant roles"), ("viewRole", "see roles"))


async def preflight(
    deployment: Deployment, client: Client, roles: Sequence[Mapping[str, Any]], *, has_ca: bool
) -> Health:
    """Look at what roles with these options need. Raises EngineError."""
    made = [recipes.recipe(role) for role in roles]
    build = await deployment.run(client, {"buildInfo": 1})
    told = await deployment.run(client, {"connectionStatus": 1, "showPrivileges": True})
    rights = _Rights(told["authInfo"].get("authenticatedUserPrivileges", []))
    servers = deployment.servers(client)
    missing = [*_settings(build["version"], made, has_ca=has_ca)]
    missing += rights.lacking(made, is_sharded=is_sharded(servers))
    if client.options.server_selector is not None:
        missing += [
            f"{server.address[0]} is another host, where nothing is sent without TLS; add"
            " tls=true to connection.url"
            for server in servers
            if not is_here(server.address)
        ]
    missing += await _roles(deployment, client, made)
    away = silent(deployment.servers())
    reason = f"no answer from {', '.join(away)}" if away else ""
    return Health(
        ok=not missing and not away,
        reason="rights or settings are missing" if missing else reason,
        missing=tuple(dict.fromkeys(missing)),
        version=build["version"],
    )


def _settings(version: str, made: Iterable[Recipe], *, has_ca: bool) -> Iterable[str]:
    if int(version.partition(".")[0]) < OLDEST:
        yield f"MongoDB {version} is older than {OLDEST}.0, the oldest that is supported"
    if not has_ca and any(each.by_certificate for each in made):
        yield "accounts by x509 need an authority: add x509_ca and x509_ca_key to the connection"


@dataclass(frozen=True, slots=True)
class _Rights:
    """The administrator's privileges, as `connectionStatus` tells them."""

    privileges: Sequence[Mapping[str, Any]]

    def lacking(self, made: Sequence[Recipe], *, is_sharded: bool) -> Iterable[str]:
        homes = sorted({ADMIN, *(each.db for each in made)})
        of_cluster = [*_CLUSTER]
        if is_sharded:
            of_cluster.append(("invalidateUserCache", "have every mongos forget an account"))
        for action, words in of_cluster:
            if not self._has(action, None):
                yield grant(f"cannot {words}", {"cluster": True}, action)
        for home in homes:
            for action, words in _HOME:
                if not self._has(action, home):
                    yield grant(f"cannot {words} in {home}", database(home), action)
        for source in sorted({db for _, db in recipes.granted(made)}):
            for action, words in _ROLE:
                if not self._has(action, source):
                    yield grant(f"cannot {words} of {source}", database(source), action)

    def _has(self, action: str, db: str | None) -> bool:
        """Whether it may do this in `db`, or to the cluster."""
        for privilege in self.privileges:
            on = privilege["resource"]
            of_cluster = db is None and on.get("cluster")
            of_database = db is not None and on.get("db") in ("", db) and not on.get("collection")
            if action in privilege["actions"] and (
                on.get("anyResource") or of_cluster or of_database
            ):
                return True
        return False


async def _roles(deployment: Deployment, client: Client, made: Iterable[Recipe]) -> list[str]:
    """Roles that accounts are to have and that are not there."""
    wanted = recipes.granted(made)
    if not wanted:
        return []
    names = [{"role": name, "db": db} for name, db in wanted]
    reply = await deployment.run(client, {"rolesInfo": names}, done=(13,))
    if not reply:
        return []
    there = {(role["role"], role["db"]) for role in reply["roles"]}
    return [
        f"role {name} is missing in {db}: db.getSiblingDB({json.dumps(db)}).createRole({{role:"
        f" {json.dumps(name)}, privileges: [], roles: []}})"
        for name, db in wanted
        if (name, db) not in there
    ]


def database(name: str) -> dict[str, Any]:
    """A database as a resource of rights, for its users and roles."""
    return {"db": name, "collection": ""}


def grant(what: str, resource: Mapping[str, Any], action: str) -> str:
    """`what` cannot be done, and the line that grants it to the documented role."""
    privilege = json.dumps([{"resource": resource, "actions": [action]}])
    return f'{what}: db.getSiblingDB("admin").grantPrivilegesToRole("leasehold", {privilege})'
