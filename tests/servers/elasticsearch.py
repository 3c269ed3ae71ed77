"""A cluster for the tests of the engine, as they see it from outside: by HTTP.

It is the one that `LEASEHOLD_TEST_ELASTICSEARCH_URL` names, for the tests of its flavour:
`https://root:password@127.0.0.1:9200`, with the authority in `LEASEHOLD_TEST_ELASTICSEARCH_CA`. The
tests make and delete roles and users in it whose names begin with app-, test- or lh, and API keys;
give them one that holds nothing of value. Otherwise it is a fake.
"""

import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from fakes.elasticsearch import Elasticsearch
from fakes.opensearch import ENABLED, OpenSearch
from fakes.search_cluster import SearchCluster
from leasehold.plugin import Secret
from leasehold_plugins.elasticsearch import ElasticsearchEngine
from leasehold_plugins.elasticsearch.wire import api_key, basic

GIVEN, GIVEN_CA = "LEASEHOLD_TEST_ELASTICSEARCH_URL", "LEASEHOLD_TEST_ELASTICSEARCH_CA"
USER: Mapping[str, Any] = {"roles": ["app-reader"]}
KEY: Mapping[str, Any] = {
    "role_descriptors": {"reader": {"indices": [{"names": ["app-*"], "privileges": ["read"]}]}}
}
OWN_ROLE: Mapping[str, Any] = {
    "elasticsearch": {
        "creation_statements": json.dumps(
            {
                "elasticsearch_role_definition": {
                    "indices": [{"names": ["{{name}}-*"], "privileges": ["read"]}]
                }
            }
        )
    },
    "opensearch": {
        "creation_statements": json.dumps(
            {
                "elasticsearch_role_definition": {
                    "index_permissions": [
                        {"index_patterns": ["{{name}}-*"], "allowed_actions": ["read"]}
                    ]
                }
            }
        )
    },
}
_SECURITY = "/_plugins/_security/api"


class SearchServer:
    """Where a cluster is, and an administrator of it who may do everything."""

    keeper = "test-keeper"
    """An administrator of least rights, with the same password."""

    def __init__(self, url: str, flavour: str, admin: str, password: str, ca: str = "") -> None:
        self.url, self.flavour, self.admin, self.password = url, flavour, admin, password
        self.ca = ca

    def ask(
        self, method: str, path: str, body: Any = None, login: Secret | None = None, url: str = ""
    ) -> tuple[int, Any]:
        """The status and the data of a reply."""
        header = (login or basic(self.admin, self.password)).reveal()
        request = urllib.request.Request(
            (url or self.url) + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": header, "Content-Type": "application/json"},
        )
        context = ssl.create_default_context(cafile=self.ca) if self.ca else None
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    def lets_in(self, credential: Mapping[str, str | Secret], url: str = "") -> bool:
        """Whether somebody with it is let in, at one node."""
        status, _ = self.ask("GET", self._whoami, login=login_of(credential), url=url)
        return status == 200

    @property
    def _whoami(self) -> str:
        mine = "/_plugins/_security/authinfo"
        return "/_security/_authenticate" if self.flavour == "elasticsearch" else mine

    @property
    def _users(self) -> str:
        mine = f"{_SECURITY}/internalusers"
        return "/_security/user" if self.flavour == "elasticsearch" else mine

    @property
    def _roles(self) -> str:
        return "/_security/role" if self.flavour == "elasticsearch" else f"{_SECURITY}/roles"

    def accounts(self) -> set[str]:
        """The names of users, valid API keys and roles that begin with lh."""
        names = [*self.ask("GET", self._users)[1], *self.ask("GET", self._roles)[1]]
        if self.flavour == "elasticsearch":
            names += [key["name"] for key in self.api_keys() if not key["invalidated"]]
        return {name for name in names if name.startswith("lh")}

    def api_keys(self) -> list[dict[str, Any]]:
        """API keys, invalidated ones too."""
        body = {
            "query": {"bool": {"filter": []}},
            "size": 1000,
            "sort": ["name", "creation"],
        }
        found: list[dict[str, Any]] = self.ask("POST", "/_security/_query/api_key", body)[1][
            "api_keys"
        ]
        return found

    def user(self, name: str) -> dict[str, Any]:
        status, found = self.ask("GET", f"{self._users}/{name}")
        assert status == 200, found
        about: dict[str, Any] = found[name]
        return about

    @property
    def roles_key(self) -> str:
        """What a user calls its roles."""
        return "roles" if self.flavour == "elasticsearch" else "opendistro_security_roles"

    def delete_user(self, name: str) -> None:
        status, said = self.ask("DELETE", f"{self._users}/{name}")
        assert status == 200, said

    def put_user(self, name: str, *roles: str) -> None:
        body = {"password": self.password, self.roles_key: [*roles]}
        status, said = self.ask("PUT", f"{self._users}/{name}", body)
        assert status in (200, 201), said

    def put_role(self, name: str, definition: Mapping[str, Any]) -> None:
        status, said = self.ask("PUT", f"{self._roles}/{name}", definition)
        assert status in (200, 201), said

    def prepare(self) -> "SearchServer":
        """The roles that accounts are given, and an administrator of least rights."""
        if self.flavour == "elasticsearch":
            reads = [{"names": ["app-*"], "privileges": ["read"]}]
            self.put_role("app-reader", {"indices": reads})
            self.put_role("test-keeper", {"cluster": ["monitor", "manage_security"]})
            self.put_role("test-app", {"indices": reads})
            self.put_user(self.keeper, "test-keeper", "test-app")
        else:
            reads = [{"index_patterns": ["app-*"], "allowed_actions": ["read"]}]
            self.put_role("app-reader", {"index_permissions": reads})
            self.put_role("test-keeper", {"cluster_permissions": ["cluster:monitor/main"]})
            if self.keeper != self.admin:
                self.put_user(self.keeper, "test-keeper", ENABLED)
        return self


def login_of(credential: Mapping[str, str | Secret]) -> Secret:
    clear = {
        key: value.reveal() if isinstance(value, Secret) else value
        for key, value in credential.items()
    }
    if "encoded" in clear:
        return api_key(clear["encoded"])
    return basic(clear["username"], clear["password"])


def server_of(fake: SearchCluster, ca: str = "") -> SearchServer:
    flavour = "opensearch" if isinstance(fake, OpenSearch) else "elasticsearch"
    return SearchServer(fake.nodes[0].url, flavour, fake.admin, fake.password, ca).prepare()


def engine_for(server: SearchServer, **other: Any) -> ElasticsearchEngine:
    """An engine of least rights, not opened; `other` are its options, None leaves one out."""
    connection = {
        "url": server.url,
        "flavour": server.flavour,
        "username": server.keeper,
        "password": Secret(server.password),
        "statement_timeout": 5,
        **({"tls_ca": server.ca} if server.ca else {}),
        **other,
    }
    given = {key: value for key, value in connection.items() if value is not None}
    return ElasticsearchEngine("main", given)


@asynccontextmanager
async def opened(server: SearchServer, **other: Any) -> AsyncIterator[ElasticsearchEngine]:
    engine = engine_for(server, **other)
    try:
        await engine.open()
        yield engine
    finally:
        await engine.close()


def given() -> SearchServer | None:
    """The cluster of the environment."""
    if GIVEN not in os.environ:
        return None
    parts = urlsplit(os.environ[GIVEN])
    server = SearchServer(
        f"{parts.scheme}://{parts.hostname}:{parts.port or 9200}",
        "elasticsearch",
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        os.environ.get(GIVEN_CA, ""),
    )
    if "opensearch" in json.dumps(server.ask("GET", "/")[1]).lower():
        # Which roles may use its interface is a setting of each node, so the tests' own may not.
        server.flavour, server.keeper = "opensearch", server.admin
    return server


@pytest.fixture
def es_fake() -> Iterator[Elasticsearch]:
    """Three nodes of a pretended Elasticsearch."""
    fake = Elasticsearch(nodes=3)
    with fake.running():
        server_of(fake)
        yield fake


@pytest.fixture
def os_fake() -> Iterator[OpenSearch]:
    """Three nodes of a pretended OpenSearch."""
    fake = OpenSearch(nodes=3)
    with fake.running():
        server_of(fake)
        yield fake


@pytest.fixture(params=["elasticsearch", "opensearch"])
def search(request: pytest.FixtureRequest) -> SearchServer:
    """A cluster of each flavour: the one that is given, else a fake."""
    named = given()
    if named is not None and named.flavour == request.param:
        return named.prepare()
    short = {"elasticsearch": "es_fake", "opensearch": "os_fake"}[request.param]
    return server_of(request.getfixturevalue(short))


@pytest.fixture
def elastic() -> Iterator[SearchServer]:
    """Elasticsearch: the one that is given, else a fake."""
    named = given()
    if named is not None and named.flavour == "elasticsearch":
        yield named.prepare()
        return
    with Elasticsearch().running() as fake:
        yield server_of(fake)
