"""One HTTP request over a Unix socket, and what a refusal means. No third-party import."""

import http.client
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leasehold.errors import (
    Conflict,
    Denied,
    Invalid,
    LeaseholdError,
    LimitReached,
    Locked,
    NotFound,
    PolicyRefused,
    Stale,
    TooLarge,
    Unavailable,
    Unsafe,
    Unsupported,
)

DEFAULT_SOCKET = Path("/run/leasehold/leasehold.sock")
_REFUSALS: Mapping[int, type[LeaseholdError]] = {
    400: Invalid,
    403: Denied,
    404: NotFound,
    405: Unsupported,
    409: Conflict,
    413: TooLarge,
    415: Invalid,
}
_CODES: Mapping[str, type[LeaseholdError]] = {kind.code: kind for kind in (Locked, Stale, Unsafe)}
"""Refusals that say more than their status does."""
_REQUEST_ID = re.compile(r"[0-9a-f-]{36}")


class Unreachable(Unavailable):
    """No daemon answered, so nothing is known about what it did."""

    code = "unreachable"


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that was not a refusal. Its repr shows no credential.

    `body` is empty for 204, and for what is no JSON, which is `text`.
    `lease` says `unknown` where a revocation met no lease that is the caller's.
    """

    status: int
    body: Mapping[str, Any]
    lease: str = ""
    text: str = ""

    def __repr__(self) -> str:
        return f"Reply(status={self.status})"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = str(path)

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def send(
    path: Path, timeout_s: float, method: str, target: str, body: Mapping[str, object] | None
) -> Reply:
    """Send one request to the daemon at `path` and return its reply.

    Raises Unreachable when nobody answers within `timeout_s`, else the error that the daemon's
    refusal stands for.
    """
    connection = UnixConnection(path, timeout_s)
    try:
        payload = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if payload else {}
        connection.request(method, target, payload, headers)
        response = connection.getresponse()
        raw = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(_why(path, error, timeout_s)) from error
    finally:
        connection.close()
    if response.status == 200 and response.getheader("Content-Type", "").startswith("text/plain"):
        return Reply(response.status, {}, text=raw.decode())
    answer = _decoded(path, raw)
    if response.status >= 400:
        raise _refusal(response.status, answer, response.getheader("Retry-After"))
    return Reply(response.status, answer, response.getheader("X-Leasehold-Lease") or "")


def _decoded(path: Path, raw: bytes) -> Mapping[str, Any]:
    if not raw:
        return {}
    try:
        answer = json.loads(raw)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Unreachable(f"{path}: the answer is not leasehold's; is another program behind it?")
    return answer


def _why(path: Path, error: Exception, timeout_s: float) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: no such socket; is the daemon running, is --socket right?"
    if isinstance(error, ConnectionRefusedError):
        return f"{path}: nobody listens; the daemon is not running"
    if isinstance(error, PermissionError):
        return f"{path}: permission denied; join the group that owns the socket"
    if isinstance(error, TimeoutError):
        return f"{path}: no answer within {timeout_s:g} s"
    if isinstance(error, OSError) and str(error) == "AF_UNIX path too long":
        return f"{path}: the path is too long for a socket; allowed are 107 bytes"
    if isinstance(error, OSError) and error.strerror and not isinstance(error, ConnectionError):
        return f"{path}: {error.strerror}"
    return f"{path}: the daemon hung up before it answered"


def _refusal(status: int, answer: Mapping[str, Any], retry_after: str | None) -> LeaseholdError:
    errors = answer.get("errors")
    texts = [str(text).strip() for text in errors] if isinstance(errors, list) else []
    code = str(answer.get("code", ""))
    if code == PolicyRefused.code:
        return PolicyRefused(tuple(texts))
    # An answer's text is one line here, whatever a server put into it.
    text = " ".join("; ".join(texts).split()) or f"the daemon refused with status {status}"
    request_id = str(answer.get("request_id", ""))
    if status == 403 and _REQUEST_ID.fullmatch(request_id):
        text += f"; leasehold explain {request_id} says why"
    wait_s = int(retry_after) if retry_after and retry_after.isdecimal() else 1
    if status == 429:
        return LimitReached(text, retry_after_s=wait_s)
    if status in (502, 503):
        return Unavailable(text, retry_after_s=wait_s)
    return _CODES.get(code, _REFUSALS.get(status, LeaseholdError))(text)
