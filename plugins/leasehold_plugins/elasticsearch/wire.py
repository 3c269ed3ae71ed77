"""One request to one node, bounded in time and size: no redirect, no proxy, no cookie.

Requests that make accounts and those that take them away have connections of their own, so that a
revocation never waits behind callers who want accounts.
"""

import json
import math
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp
from yarl import URL

from leasehold.plugin import EngineTemporary, Secret, revealed
from leasehold.plugin.lanes import shares
from leasehold_plugins.elasticsearch.addresses import Address
from leasehold_plugins.elasticsearch.errors import failed
from leasehold_plugins.elasticsearch.trust import Trust

CONNECT_S = 2.0
MOST_BYTES = 64 * 1024 * 1024
"""A list of all users may be long."""


class Lane(StrEnum):
    """What a connection is for."""

    ISSUING = "issuing"
    REVOKING = "revoking"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `data` is parsed JSON, None where there is none. It may hold secrets."""

    status: int
    data: Any = field(repr=False)


class Wire:
    """The connections to all nodes of `connection`."""

    def __init__(self, connection: Mapping[str, Any], timeout_s: float) -> None:
        issuing, revoking = shares(connection)
        self._sizes = {Lane.ISSUING: issuing, Lane.REVOKING: revoking}
        self._timeout_s = timeout_s
        self._trust = Trust(connection.get("tls_ca"))
        self._admin = _header(connection)
        self._sessions: dict[Lane, aiohttp.ClientSession] = {}
        self._tls: ssl.SSLContext | bool = True

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def trust_anew(self) -> None:
        """Read the file of authorities again. Raises EnginePermanent."""
        self._tls = await self._trust.context()

    async def ask(
        self,
        address: Address,
        lane: Lane,
        method: str,
        path: str,
        body: Mapping[str, Any] | list[Any] | None = None,
        *,
        login: Secret | None = None,
        most_s: float = math.inf,
    ) -> Reply:
        """Ask as the administrator, or with another `login`: the value of a header.

        `path` is encoded already; `most_s` is a time shorter than that of the connection. Raises
        EngineTemporary when no whole reply came in time.
        """
        where = str(address)
        headers = {"Authorization": (login or self._admin).reveal(), "Accept-Encoding": "identity"}
        try:
            async with self._session(lane).request(
                method,
                URL(address.url + path, encoded=True),
                json=body,
                headers=headers,
                ssl=self._tls,
                timeout=aiohttp.ClientTimeout(
                    total=min(self._timeout_s, most_s), sock_connect=CONNECT_S
                ),
                allow_redirects=False,
            ) as response:
                return Reply(response.status, _parsed(await _body(response, where)))
        except (aiohttp.ClientError, OSError) as error:
            raise failed(error, where) from None  # its text may quote headers

    def _session(self, lane: Lane) -> aiohttp.ClientSession:
        if lane not in self._sessions:
            self._sessions[lane] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._sizes[lane]),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._sessions[lane]


def basic(username: str, password: str) -> Secret:
    """The header of a user (RFC 7617)."""
    return Secret("Basic " + b64encode(f"{username}:{password}".encode()).decode())


def api_key(encoded: str) -> Secret:
    """The header of an API key, in the form that the server calls `encoded`."""
    return Secret(f"ApiKey {encoded}")


def _header(connection: Mapping[str, Any]) -> Secret:
    if "api_key" in connection:
        return api_key(revealed(connection["api_key"]))
    return basic(revealed(connection["username"]), revealed(connection["password"]))


async def _body(response: aiohttp.ClientResponse, where: str) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_chunked(65_536):
        size += len(part)
        if size > MOST_BYTES:
            raise EngineTemporary(f"{where} answered more than {MOST_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
