"""The interface for security of Elasticsearch 8 and 9: native users, roles, API keys, tokens.

After the reference of Elastic and the handlers in its source, not after what our engine sends.
"""

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fakes.elastic_users import ElasticUsers, descriptor
from fakes.search_cluster import Asked, Given, Node, Refused, only
from servers.certificates import Pair

_SPAN = re.compile(r"(\d+)(ms|s|m|h|d)")
_UNIT_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass
class Key:
    """An API key; `rights` are what it was given, `limit` those of its owner then."""

    name: str
    secret: str
    owner: str
    creation: int
    expiration: int | None
    rights: Mapping[str, Any]
    limit: list[dict[str, Any]]
    metadata: dict[str, Any] = field(default_factory=dict)
    invalidated: bool = False


class Elasticsearch(ElasticUsers):
    """`tokens`: owner by access token. `has_tokens`, `has_keys`: whether these are switched on."""

    def __init__(self, nodes: int = 1, pair: Pair | None = None, version: str = "8.19.4") -> None:
        super().__init__(nodes, pair, version)
        self.keys: dict[str, Key] = {}
        self.tokens: dict[str, str] = {}
        self.has_tokens = self.has_keys = True
        self.stubborn: set[str] = set()
        """Ids of keys that cannot be invalidated, for a while."""
        self.route("POST PUT", "/_security/api_key", self._make_key)
        self.route("DELETE", "/_security/api_key", self._invalidate_keys)
        self.route("PUT", "/_security/api_key/{}", self._update_key)
        self.route("POST", "/_security/api_key/{}/_clear_cache", self._clear_keys)
        self.route("GET POST", "/_security/_query/api_key", self._query_keys)
        self.route("POST", "/_security/oauth2/token", self._make_token)
        self.route("DELETE", "/_security/oauth2/token", self._end_tokens)

    def key_with(self, key_id: str, secret: str) -> str | None:
        key = self.keys.get(key_id)
        if not self.has_keys or key is None or key.secret != secret or key.invalidated:
            return None
        if key.expiration is not None and key.expiration <= self.now() * 1000:
            return None
        return f"key:{key_id}"

    def held(self, who: str) -> list[list[dict[str, Any]]]:
        if not who.startswith("key:"):
            return super().held(who)
        key = self.keys[who.removeprefix("key:")]
        return [list(key.rights.values()) or key.limit, key.limit]

    # API keys.

    def _make_key(self, asked: Asked) -> Given:
        self._keys_on()
        self.need(asked, "manage_own_api_key", "manage_api_key")
        body = only(asked.body, "name", "expiration", "role_descriptors", "metadata")
        rights = {name: descriptor(it) for name, it in body.get("role_descriptors", {}).items()}
        self.look_into(*rights.values())
        if asked.by_key and any(rights.values()):
            raise Refused(400, self.error(400, "illegal_argument_exception"))
        if any(key.startswith("_") for key in body.get("metadata", {})):
            raise Refused(400, self.error(400, "action_request_validation_exception"))
        now = int(self.now() * 1000)
        key_id, secret = secrets.token_urlsafe(15), secrets.token_urlsafe(16)
        key = Key(
            *(body["name"], secret, asked.who, now, self._end(body), rights),
            limit=self.held(asked.who)[0],
            metadata=body.get("metadata", {}),
        )
        self.keys[key_id] = key
        encoded = base64.b64encode(f"{key_id}:{secret}".encode()).decode()
        made = {"id": key_id, "name": key.name, "api_key": secret, "encoded": encoded}
        return Given(200, {**made, "expiration": key.expiration})

    def _end(self, body: Mapping[str, Any]) -> int | None:
        if "expiration" not in body:
            return None
        span = _SPAN.fullmatch(body["expiration"])
        if span is None:
            raise Refused(400, self.error(400, "x_content_parse_exception"))
        return int((self.now() + int(span[1]) * _UNIT_S[span[2]]) * 1000)

    def _update_key(self, asked: Asked) -> Given:
        self._keys_on()
        self.need(asked, "manage_own_api_key")
        body = only(asked.body, "expiration", "role_descriptors", "metadata")
        key = self.keys.get(asked.rest[0])
        if asked.by_key:
            raise Refused(400, self.error(400, "illegal_argument_exception"))
        if key is None or key.owner != asked.who:
            raise Refused(404, self.error(404, "resource_not_found_exception"))
        over = key.expiration is not None and key.expiration <= self.now() * 1000
        if key.invalidated or over:
            raise Refused(400, self.error(400, "illegal_argument_exception"))
        key.expiration = self._end(body) or key.expiration
        key.limit = self.held(asked.who)[0]
        return Given(200, {"updated": True})

    def _invalidate_keys(self, asked: Asked) -> Given:
        self._keys_on()
        self.need(asked, "manage_api_key")
        body = only(asked.body, "ids", "name", "username", "realm_name", "owner")
        assert len(body) == 1
        ids = body.get("ids") or [
            it for it, key in self.keys.items() if key.owner == body.get("username")
        ]
        there = [it for it in ids if it in self.keys and it not in self.stubborn]
        new = [it for it in there if not self.keys[it].invalidated]
        for it in new:
            self.keys[it].invalidated = True
        self.changed(lambda who: who.removeprefix("key:") in new)
        failed = [it for it in ids if it in self.stubborn]
        return Given(
            200,
            {
                "invalidated_api_keys": new,
                "previously_invalidated_api_keys": [it for it in there if it not in new],
                "error_count": len(failed),
            },
        )

    def _clear_keys(self, asked: Asked) -> Given:
        self.need(asked, "manage_security")
        ids = asked.rest[0].split(",")
        return self.clear(lambda who: who.removeprefix("key:") in ids)

    def _query_keys(self, asked: Asked) -> Given:
        self._keys_on()
        body = only(asked.body, "query", "sort", "size", "search_after", "from")
        self.need(asked, "manage_own_api_key", "read_security")
        every = self.may(asked.who, "manage_api_key") or self.may(asked.who, "read_security")
        fields = ("name", "username", "invalidated", "creation")
        assert body["sort"] == ["name", "creation"]
        found = []
        for key_id, key in self.keys.items():
            values = (key.name, key.owner, key.invalidated, key.creation)
            row = dict(zip(fields, values, strict=True))
            if (every or key.owner == asked.who) and _matches(body["query"], row):
                sort = [key.name, key.creation]
                about = {"metadata": key.metadata, "expiration": key.expiration}
                found.append({"id": key_id, **row, **about, "_sort": sort})
        found.sort(key=lambda row: row["_sort"])
        total = len(found)
        if after := body.get("search_after"):
            found = [row for row in found if row["_sort"] > after]
        page = found[: body.get("size", 10)]
        return Given(200, {"total": total, "count": len(page), "api_keys": page})

    def _keys_on(self) -> None:
        if not self.has_keys:
            more = {"disabled.feature": "api_keys"}
            raise Refused(403, self.error(403, "feature_not_enabled_exception", **more))

    # Tokens.

    def _make_token(self, asked: Asked) -> Given:
        self.need_license("security tokens")
        self.need(asked, "manage_token")
        only(asked.body, "grant_type")
        token = secrets.token_urlsafe(16)
        self.tokens[token] = asked.who
        return Given(200, {"access_token": token, "type": "Bearer", "expires_in": 1200})

    def _end_tokens(self, asked: Asked) -> Given:
        if not self.has_tokens:
            more = {"disabled.feature": "security_tokens"}
            raise Refused(403, self.error(403, "feature_not_enabled_exception", **more))
        self.need(asked, "manage_token")
        self.need_license("security tokens")
        owner = only(asked.body, "username")["username"]
        ended = [token for token, who in self.tokens.items() if who == owner]
        for token in ended:
            del self.tokens[token]
        return Given(200, {"invalidated_tokens": len(ended), "error_count": 0})


def _matches(query: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    [(kind, about)] = query.items()
    if kind == "bool":
        assert set(about) == {"filter"}
        return all(_matches(part, row) for part in about["filter"])
    [(name, wanted)] = about.items()
    assert kind in ("term", "terms"), kind
    assert name in row, name
    return row[name] in wanted if kind == "terms" else bool(row[name] == wanted)


def deaf(node: Node) -> None:
    """Have a node hear of nothing any more, as one that is cut off from the others."""
    node.misses_changes = node.misses_clears = True
