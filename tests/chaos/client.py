"""One request over the Unix socket, and whether it can have had an effect when no reply came."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers.daemon import UnixConnection

TIMEOUT_S = 30.0


class NotSent(Exception):
    """No daemon took the connection: nothing happened."""


class NoReply(Exception):
    """The request went out and no whole reply came back: it may have happened."""


@dataclass(frozen=True)
class Reply:
    """A whole reply."""

    status: int
    request_id: str
    body: Mapping[str, Any] = field(repr=False)


def ask(
    socket: Path,
    method: str,
    path: str,
    body: object = None,
    *,
    nonce: str = "",
    hang_up: bool = False,
    timeout_s: float = TIMEOUT_S,
) -> Reply:
    """Make one request on a connection of its own. Raises NotSent and NoReply.

    With `hang_up` the client goes away when the request is out, which raises NoReply.
    """
    connection = UnixConnection(socket, timeout_s)
    headers = {"X-Leasehold-Reason": nonce} if nonce else {}
    try:
        try:
            connection.connect()
        except OSError as error:
            raise NotSent(str(error)) from error
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, headers)
            if hang_up:
                raise NoReply("hung up")
            got = connection.getresponse()
            text = got.read()
            found = json.loads(text) if text else {}
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoReply(type(error).__name__) from error
        return Reply(got.status, got.headers.get("X-Request-Id", ""), found)
    finally:
        connection.close()
