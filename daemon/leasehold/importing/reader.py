"""Reads a Vault or OpenBao over its HTTP API. It sends GET and nothing else.

A list is `GET …?list=true`, which every server since 0.6 takes, and every proxy lets through. What
the token may not read is collected, so that all that is missing is told at once.
"""

import http.client
import json
import ssl
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from leasehold.client.connection import UnixConnection
from leasehold.errors import Denied, Invalid, LeaseholdError, Unavailable
from leasehold.importing.snapshot import Snapshot, take
from leasehold.importing.source import Source
from leasehold.policy.problems import printable

TIMEOUT_S = 60.0
MAX_BYTES = 32 << 20
_PATIENCE = 6
"""How often one request is sent while the server says that there are too many."""
_MOST_WAIT_S = 30
_NOTHING_THERE = (404, 405)
"""No such thing; no such path, or not for reading: a server of another edition or version."""
_MOST_DENIED = 20


def snapshot_of(source: Source, mounts: Sequence[str]) -> Snapshot:
    """All that is read of a server, of its databases those at `mounts` if any are given.

    Raises Denied with a line for each thing that could not be read, Invalid, Unavailable.
    """
    reader = Reader(source)
    try:
        reader.check()
        snapshot = take(reader, mounts)
        reader.complain()
    finally:
        reader.close()
    return snapshot


class Reader:
    """One server. After everything was read, `complain` tells what could not be."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._connection = _connection(source)
        self._denied: set[tuple[str, str]] = set()

    def check(self) -> None:
        """See that a Vault answers, unsealed, before the token is shown to it.

        Raises Invalid for what is none, Unavailable.
        """
        status, answer = self._get("sys/seal-status", with_token=False)
        sealed = answer.get("sealed") if answer is not None and status == 200 else None
        if not isinstance(sealed, bool):
            raise Invalid(
                f"{self._source.shown}: is no Vault or OpenBao; GET /v1/sys/seal-status gave"
                f" status {status}{'' if answer is not None else ' and no JSON'}"
            )
        if answer is not None and answer.get("initialized") is False:
            raise Unavailable(f"{self._source.shown}: was never initialized; there is nothing")
        if sealed:
            raise Unavailable(f"{self._source.shown}: is sealed; unseal it and try again")

    def read(self, path: str) -> dict[str, Any] | None:
        """What stands at `path`, None where nothing does or the token may not see it."""
        return self._data(path, "", "read")

    def names(self, path: str, *, everywhere: bool = True) -> list[str]:
        """The names below `path`, sorted; that of a folder ends with a slash.

        Not `everywhere`: not every edition, and not every namespace, has such a list; some answer
        400 then.
        """
        keys = (self._data(path, "?list=true", "list", everywhere=everywhere) or {}).get("keys")
        found = keys if isinstance(keys, list) else []
        return sorted(key for key in found if isinstance(key, str) and key)

    def complain(self) -> None:
        """Raise Denied when something could not be read, one line for each."""
        if not self._denied:
            return
        told = [f"the token has no {what} on {path}" for path, what in sorted(self._denied)]
        if len(told) > _MOST_DENIED:
            told[_MOST_DENIED:] = [f"and {len(told) - _MOST_DENIED} more"]
        raise Denied(
            "\n".join(
                (
                    *told,
                    "nothing was written; docs/migrating-from-vault.md has a policy for such a"
                    " token. A token that has ended is answered alike",
                )
            )
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _data(
        self, path: str, query: str, capability: str, *, everywhere: bool = True
    ) -> dict[str, Any] | None:
        status, answer = self._get(quote(path) + query)
        if status == 403:
            self._denied.add((path, capability))
            return None
        if status in _NOTHING_THERE or (status == 400 and not everywhere):
            return None
        if status != 200 or answer is None:
            raise LeaseholdError(f"{self._source.shown}: GET {path}: {_said(status, answer)}")
        data = answer.get("data")
        return data if isinstance(data, dict) else None

    def _get(self, target: str, *, with_token: bool = True) -> tuple[int, dict[str, Any] | None]:
        headers = {"X-Vault-Request": "true", "Accept": "application/json"}
        if with_token:
            headers["X-Vault-Token"] = self._source.token.reveal()
            if self._source.namespace:
                headers["X-Vault-Namespace"] = self._source.namespace
        for _ in range(_PATIENCE):
            response, raw = self._exchange(f"/v1/{target}", headers)
            if response.status != 429:
                break
            wait = response.getheader("Retry-After") or ""
            time.sleep(min(int(wait) if wait.isdecimal() else 1, _MOST_WAIT_S))
        if 300 <= response.status < 400:
            leader = printable(response.getheader("Location") or "another address")
            raise Unavailable(
                f"{self._source.shown}: sends us on to {leader.partition('/v1/')[0]}; ask that one"
            )
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = None
        return response.status, answer if isinstance(answer, dict) else None

    def _exchange(
        self, target: str, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One request; once more on a new connection where the server has closed the old one."""
        again = self._connection.sock is not None
        try:
            self._connection.request("GET", target, headers=headers)
            response = self._connection.getresponse()
            raw = response.read(MAX_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            if again and isinstance(error, ConnectionError | http.client.HTTPException):
                return self._exchange(target, headers)
            raise Unavailable(f"{self._source.shown}: {_why(error)}") from None
        if len(raw) > MAX_BYTES:
            raise LeaseholdError(f"{self._source.shown}: an answer of over {MAX_BYTES} bytes")
        return response, raw


def _connection(source: Source) -> http.client.HTTPConnection:
    if source.socket is not None:
        return UnixConnection(source.socket, TIMEOUT_S)
    if source.tls is not None:
        return http.client.HTTPSConnection(
            source.host, source.port, timeout=TIMEOUT_S, context=source.tls
        )
    return http.client.HTTPConnection(source.host, source.port, timeout=TIMEOUT_S)


def _said(status: int, answer: dict[str, Any] | None) -> str:
    errors = (answer or {}).get("errors")
    texts = [str(text) for text in errors] if isinstance(errors, list) else []
    text = " ".join("; ".join(texts).split())
    return f"status {status}" + (f": {printable(text)[:200]}" if text else "")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); set VAULT_CACERT"
    if isinstance(error, ssl.SSLError):
        return "does not speak TLS with us; is it http, or does it want VAULT_CLIENT_CERT?"
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be reached ({error.strerror})"
    if isinstance(error, http.client.HTTPException):
        return "does not answer in HTTP; is it https?"
    return "hung up before it answered"
