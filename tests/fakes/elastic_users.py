"""Users, roles and rights of a pretended Elasticsearch; its keys are in `fakes.elasticsearch`."""

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

from fakes.search_cluster import Asked, Given, Refused, SearchCluster, User, only
from servers.certificates import Pair

IMPLIED = {
    "manage_security": {
        *("manage_api_key", "manage_own_api_key", "read_security", "manage_token"),
        "manage_security",
    },
    "manage_api_key": {"manage_own_api_key", "manage_api_key"},
    "manage": {"manage", "monitor"},
}


class ElasticUsers(SearchCluster):
    """What needs no API key. `licensed`: whether it has more than the basic license."""

    licensed = True

    def __init__(self, nodes: int, pair: Pair | None, version: str) -> None:
        super().__init__(nodes, pair)
        self.version = version
        self.of_a_file: set[str] = set()
        """Users of the file realm, which the interface cannot change."""
        self.roles["superuser"] = {
            "cluster": ["all"],
            "indices": [{"names": ["*"], "privileges": ["all"]}],
        }
        self.users[self.admin] = User(self.password, ["superuser"])
        self.route("GET", "/", self._root)
        self.route("GET", "/_security/_authenticate", self._authenticate)
        self.route("POST", "/_security/user/_has_privileges", self._has_privileges)
        self.route("GET", "/_security/user", self._list_users)
        self.route("GET", "/_security/user/{}", self._get_user)
        self.route("PUT POST", "/_security/user/{}", self._put_user)
        self.route("PUT POST", "/_security/user/_password", self._own_password)
        self.route("PUT POST", "/_security/user/{}/_password", self._named_password)
        self.route("DELETE", "/_security/user/{}", self._delete_user)
        self.route("GET", "/_security/role", self._list_roles)
        self.route("PUT POST", "/_security/role/{}", self._put_role)
        self.route("DELETE", "/_security/role/{}", self._delete_role)
        self.route("POST", "/_security/realm/{}/_clear_cache", self._clear_users)

    # Who may do what.

    def held(self, who: str) -> list[list[dict[str, Any]]]:
        """Sets of roles; a right is held when each set has it."""
        names = self.users[who].roles if who in self.users else []
        return [[self.roles[name] for name in names if name in self.roles]]

    def may(self, who: str, privilege: str) -> bool:
        def has(roles: Iterable[Mapping[str, Any]]) -> bool:
            given = {name for role in roles for name in role.get("cluster", ())}
            whole = given.union(*(IMPLIED.get(name, set()) for name in given))
            return "all" in given or privilege in whole

        return all(map(has, self.held(who)))

    def may_on(self, who: str, index: str, privilege: str) -> bool:
        def has(roles: Iterable[Mapping[str, Any]]) -> bool:
            return any(
                fnmatch.fnmatch(index, name) and {"all", privilege} & {*part["privileges"]}
                for role in roles
                for part in role.get("indices", ())
                for name in part["names"]
            )

        return all(map(has, self.held(who)))

    def need(self, asked: Asked, *privileges: str) -> None:
        if not any(self.may(asked.who, one) for one in privileges):
            raise Refused(403, self.error(403, "security_exception"))

    def need_license(self, feature: str) -> None:
        if not self.licensed:
            more = {"license.expired.feature": feature}
            raise Refused(403, self.error(403, "security_exception", **more))

    def look_into(self, *descriptors: Mapping[str, Any]) -> None:
        """What is asked for needs a license when it looks at documents or fields."""
        parts = [part for each in descriptors for part in each.get("indices", ())]
        if any({"query", "field_security"} & set(part) for part in parts):
            self.need_license("field and document level security")

    # What is there.

    def _root(self, asked: Asked) -> Given:
        self.need(asked, "monitor")
        version = {"number": self.version, "build_flavor": "default"}
        about = {"name": "n", "cluster_name": "c", "cluster_uuid": self.uuid, "version": version}
        return Given(200, {**about, "tagline": "You Know, for Search"})

    def _authenticate(self, asked: Asked) -> Given:
        kind = "api_key" if asked.by_key else "realm"
        realm = "_es_api_key" if asked.by_key else "native"
        realm = "file" if asked.who in self.of_a_file else realm
        about = {"username": asked.who, "authentication_type": kind}
        return Given(200, {**about, "authentication_realm": {"name": realm, "type": realm}})

    def _has_privileges(self, asked: Asked) -> Given:
        body = only(asked.body, "cluster", "index", "application")
        who = asked.who
        cluster = {name: self.may(who, name) for name in body.get("cluster", ())}
        index: dict[str, dict[str, bool]] = {}
        for part in body.get("index", ()):
            only(part, "names", "privileges", "allow_restricted_indices")
            for name in part["names"]:
                for privilege in part["privileges"]:
                    index.setdefault(name, {})[privilege] = self.may_on(who, name, privilege)
        return Given(200, {"username": who, "cluster": cluster, "index": index, "application": {}})

    # Users and roles.

    def _list_users(self, asked: Asked) -> Given:
        self.need(asked, "manage_security", "read_security")
        return Given(200, {name: self._shown(name) for name in self.users})

    def _get_user(self, asked: Asked) -> Given:
        self.need(asked, "manage_security", "read_security")
        [name] = asked.rest
        return Given(200, {name: self._shown(name)}) if name in self.users else Given(404, {})

    def _shown(self, name: str) -> dict[str, Any]:
        user = self.users[name]
        about = {"full_name": None, "email": None, "metadata": {}, **user.about}
        return {"username": name, "roles": user.roles, "enabled": user.enabled, **about}

    def _put_user(self, asked: Asked) -> Given:
        self.need(asked, "manage_security")
        body = only(
            asked.body,
            *("password", "password_hash", "roles", "full_name", "email", "metadata", "enabled"),
        )
        [name] = asked.rest
        old = self.users.get(name)
        if old is None and "password" not in body:
            raise Refused(400, self.error(400, "action_request_validation_exception"))
        if "password" in body and len(body["password"]) < 6:
            raise Refused(400, self.error(400, "action_request_validation_exception"))
        about = {key: body[key] for key in ("full_name", "email", "metadata") if key in body}
        password = body.get("password") or (old.password if old else "")
        self.users[name] = User(password, body["roles"], about, body.get("enabled", True))
        self.changed(lambda who: who == name)
        return Given(200, {"created": old is None})

    def _own_password(self, asked: Asked) -> Given:
        return self._set_password(asked, asked.who)

    def _named_password(self, asked: Asked) -> Given:
        [name] = asked.rest
        if name != asked.who:
            self.need(asked, "manage_security")
        return self._set_password(asked, name)

    def _set_password(self, asked: Asked, name: str) -> Given:
        password = only(asked.body, "password", "password_hash")["password"]
        if name not in self.users or name in self.of_a_file or len(password) < 6:
            raise Refused(400, self.error(400, "validation_exception"))
        self.users[name].password = password
        self.changed(lambda who: who == name)
        return Given(200, {})

    def _delete_user(self, asked: Asked) -> Given:
        self.need(asked, "manage_security")
        [name] = asked.rest
        found = self.users.pop(name, None) is not None
        self.changed(lambda who: who == name)
        return Given(200 if found else 404, {"found": found})

    def _list_roles(self, asked: Asked) -> Given:
        self.need(asked, "manage_security", "read_security")
        return Given(200, self.roles)

    def _put_role(self, asked: Asked) -> Given:
        self.need(asked, "manage_security")
        [name] = asked.rest
        made = name not in self.roles
        self.look_into(asked.body)
        self.roles[name] = descriptor(asked.body)
        return Given(200, {"role": {"created": made}})

    def _delete_role(self, asked: Asked) -> Given:
        self.need(asked, "manage_security")
        found = self.roles.pop(asked.rest[0], None) is not None
        return Given(200 if found else 404, {"found": found})

    def _clear_users(self, asked: Asked) -> Given:
        self.need(asked, "manage_security")
        names = asked.query["usernames"].split(",")
        assert asked.rest == ["_all"]
        return self.clear(lambda who: who in names)

    def clear(self, forget: Any) -> Given:
        deaf = [node for node in self.nodes if node.misses_clears]
        for node in self.nodes:
            if node not in deaf:
                self.forget(node, forget)
        counts = {"total": len(self.nodes), "successful": len(self.nodes) - len(deaf)}
        return Given(200, {"_nodes": {**counts, "failed": len(deaf)}, "cluster_name": "c"})


def descriptor(body: Any) -> dict[str, Any]:
    made = only(body, "cluster", "indices", "applications", "run_as", "metadata", "description")
    for part in made.get("indices", ()):
        only(part, "names", "privileges", "query", "field_security", "allow_restricted_indices")
    return made
