"""The interface for security of OpenSearch 2 and 3: internal users, roles, the cache.

After the documents of the project and its security plugin's source, not after what our engine
sends.
"""

from collections.abc import Mapping
from typing import Any

from fakes.search_cluster import Asked, Given, Refused, SearchCluster, User, only
from servers.certificates import Pair

API = "/_plugins/_security/api"
ENABLED = "security_rest_api_access"
"""What plugins.security.restapi.roles_enabled names here."""


class OpenSearch(SearchCluster):
    """`contended`: how many changes are overtaken by somebody else's. `disabled`: by endpoint."""

    def __init__(self, nodes: int = 1, pair: Pair | None = None, version: str = "3.3.0") -> None:
        super().__init__(nodes, pair)
        self.version = version
        self.contended = 0
        self.disabled: dict[str, list[str]] = {}
        self.roles.update(
            {
                "all_access": {"cluster_permissions": ["*"], "static": True},
                ENABLED: {"cluster_permissions": []},
            }
        )
        self.users[self.admin] = User(self.password, ["all_access", ENABLED])
        self.route("GET", "/", self._root)
        self.route("GET", "/_plugins/_security/authinfo", self._authinfo)
        self.route("GET", f"{API}/permissionsinfo", self._permissions)
        self.route("GET", f"{API}/internalusers", self._list_users)
        self.route("PATCH", f"{API}/internalusers", self._patch_users)
        self.route("GET", f"{API}/internalusers/{{}}", self._get_user)
        self.route("PUT", f"{API}/internalusers/{{}}", self._put_user)
        self.route("PATCH", f"{API}/internalusers/{{}}", self._patch_user)
        self.route("DELETE", f"{API}/internalusers/{{}}", self._delete_user)
        self.route("GET", f"{API}/roles", self._list_roles)
        self.route("PATCH", f"{API}/roles", self._patch_roles)
        self.route("PUT", f"{API}/roles/{{}}", self._put_role)
        self.route("DELETE", f"{API}/roles/{{}}", self._delete_role)
        self.route("DELETE", f"{API}/cache", self._flush)

    def _may(self, who: str, permission: str) -> bool:
        roles = self.users[who].roles if who in self.users else []
        given = {it for name in roles for it in self.roles[name].get("cluster_permissions", ())}
        return bool({"*", permission} & given)

    def _administrator(self, asked: Asked, endpoint: str = "", method: str = "") -> None:
        enabled = asked.who in self.users and ENABLED in self.users[asked.who].roles
        if not enabled or method in self.disabled.get(endpoint, ()):
            raise Refused(403, said("FORBIDDEN", "No permission to access REST API"))

    def _saved(self, given: Given) -> Given:
        """What a change is answered with: an error when a node has not taken it."""
        missed = self.changed(lambda _who: True)
        return Given(500, said("INTERNAL_SERVER_ERROR", "Error x")) if missed else given

    def _contend(self) -> None:
        if self.contended:
            self.contended -= 1
            raise Refused(409, said("CONFLICT", "version conflict"))

    def _root(self, asked: Asked) -> Given:
        if not self._may(asked.who, "cluster:monitor/main"):
            raise Refused(403, self.error(403, "security_exception"))
        version = {"distribution": "opensearch", "number": self.version}
        about = {"name": "n", "cluster_name": "c", "cluster_uuid": self.uuid, "version": version}
        return Given(200, {**about, "tagline": "The OpenSearch Project: https://opensearch.org/"})

    def _authinfo(self, asked: Asked) -> Given:
        return Given(200, {"user_name": asked.who})

    def _permissions(self, asked: Asked) -> Given:
        has = ENABLED in self.users[asked.who].roles
        shown = {"has_api_access": has, "disabled_endpoints": self.disabled}
        return Given(200, {"user_name": asked.who, **shown})

    def _list_users(self, asked: Asked) -> Given:
        self._administrator(asked)
        return Given(200, {name: self._shown(name) for name in self.users})

    def _get_user(self, asked: Asked) -> Given:
        self._administrator(asked)
        [name] = asked.rest
        if name not in self.users:
            return Given(404, said("NOT_FOUND", "Resource not found."))
        return Given(200, {name: self._shown(name)})

    def _shown(self, name: str) -> dict[str, Any]:
        user = self.users[name]
        about = {"backend_roles": [], "attributes": {}, **user.about}
        flags = {"reserved": name == self.admin, "hidden": False, "static": False}
        return {"hash": "", **flags, **about, "opendistro_security_roles": user.roles}

    def _put_user(self, asked: Asked) -> Given:
        self._administrator(asked)
        body = only(
            asked.body,
            *("password", "hash", "opendistro_security_roles", "backend_roles", "attributes"),
            "description",
        )
        [name] = asked.rest
        self._changeable(name)
        old = self.users.get(name)
        if len(body.get("password", "" if old is None else "x" * 8)) < 8:
            raise Refused(400, said("BAD_REQUEST", "Please specify a password."))
        attributes = body.get("attributes", {})
        if not all(isinstance(value, str) for value in attributes.values()):
            raise Refused(400, said("BAD_REQUEST", "Wrong datatype"))
        roles = body.get("opendistro_security_roles", [])
        for role in roles:
            if role not in self.roles:
                raise Refused(404, said("NOT_FOUND", f"role '{role}' not found."))
            if self.roles[role].get("static"):
                raise Refused(403, said("FORBIDDEN", f"Resource '{role}' is static."))
        self._contend()
        password = body.get("password") or (old.password if old else "")
        about = {key: body[key] for key in ("backend_roles", "attributes") if key in body}
        self.users[name] = User(password, roles, about)
        done = said("OK", f"'{name}' updated.") if old else said("CREATED", f"'{name}' created.")
        return self._saved(Given(200 if old else 201, done))

    def _patch_user(self, asked: Asked) -> Given:
        self._administrator(asked)
        [name] = asked.rest
        if name not in self.users:
            return Given(404, said("NOT_FOUND", "Resource not found."))
        self._changeable(name)
        self._contend()
        for change in asked.body:
            only(change, "op", "path", "value")
            if change["path"] == "/password":
                assert change["op"] == "add"
                if len(change["value"]) < 8:
                    raise Refused(400, said("BAD_REQUEST", "Weak password"))
                self.users[name].password = change["value"]
                continue
            empty, part, key = change["path"].split("/")
            assert (change["op"], empty, part) == ("add", "", "attributes")
            self.users[name].about.setdefault("attributes", {})[key] = change["value"]
        return self._saved(Given(200, said("OK", f"'{name}' updated.")))

    def _delete_user(self, asked: Asked) -> Given:
        self._administrator(asked, "INTERNALUSERS", "DELETE")
        [name] = asked.rest
        if name not in self.users:
            return Given(404, said("NOT_FOUND", "Resource not found."))
        self._changeable(name)
        self._contend()
        del self.users[name]
        return self._saved(Given(200, said("OK", f"'{name}' deleted.")))

    def _patch_users(self, asked: Asked) -> Given:
        return self._removed(asked, self.users)

    def _patch_roles(self, asked: Asked) -> Given:
        return self._removed(asked, self.roles)

    def _removed(self, asked: Asked, things: dict[str, Any]) -> Given:
        """Remove all that is named, or nothing."""
        self._administrator(asked)
        names = []
        for change in asked.body:
            assert only(change, "op", "path")["op"] == "remove"
            names.append(change["path"].removeprefix("/").replace("~1", "/").replace("~0", "~"))
        if not set(names) <= set(things):
            raise Refused(400, said("BAD_REQUEST", "Missing field"))
        self._contend()
        for name in names:
            del things[name]
        return self._saved(Given(200, said("OK", "Resource updated.")))

    def _list_roles(self, asked: Asked) -> Given:
        self._administrator(asked)
        return Given(200, self.roles)

    def _put_role(self, asked: Asked) -> Given:
        self._administrator(asked)
        [name] = asked.rest
        body = only(
            asked.body,
            *("cluster_permissions", "index_permissions", "tenant_permissions", "description"),
        )
        made = name not in self.roles
        self.roles[name] = body
        return self._saved(Given(201 if made else 200, said("CREATED" if made else "OK", "x")))

    def _delete_role(self, asked: Asked) -> Given:
        self._administrator(asked)
        if self.roles.pop(asked.rest[0], None) is None:
            return Given(404, said("NOT_FOUND", "Resource not found."))
        return self._saved(Given(200, said("OK", "deleted.")))

    def _flush(self, asked: Asked) -> Given:
        self._administrator(asked)
        deaf = [node for node in self.nodes if node.misses_clears]
        for node in self.nodes:
            if node not in deaf:
                node.remembered.clear()
        if deaf:
            return Given(500, said("INTERNAL_SERVER_ERROR", "Cannot flush cache due to x."))
        return Given(200, said("OK", "Cache flushed successfully."))

    def _changeable(self, name: str) -> None:
        if name == self.admin:
            raise Refused(403, said("FORBIDDEN", f"Resource '{name}' is reserved."))


def said(status: str, message: str) -> Mapping[str, str]:
    """A reply in the form of the security plugin."""
    return {"status": status, "message": message}
