"""One HTTP request to the daemon, over its Unix socket or over TLS. No third-party import.

A connection serves one request: what the caller may do is decided by who opened it. One that a
lease is bound to is kept for that, and for nothing else.
"""

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from leasehold.client.endpoint import Endpoint, Https, UnixSocket
from leasehold.client.replies import HELD, Reply, reply_of, unreachable
from leasehold.errors import ConfigError


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
    endpoint: Endpoint,
    timeout_s: float,
    method: str,
    target: str,
    body: Mapping[str, object] | None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request to the daemon at `endpoint` and return its reply; see `sending`."""
    with sending(endpoint, timeout_s, method, target, body, headers) as reply:
        return reply


@contextlib.contextmanager
def sending(
    endpoint: Endpoint,
    timeout_s: float,
    method: str,
    target: str,
    body: Mapping[str, object] | None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Reply]:
    """Send one request, with more `headers`, to the daemon at `endpoint`: its reply.

    Within, the connection stays open if a lease is bound to it.

    Raises Unreachable when nobody answers within `timeout_s`, ConfigError for files of TLS that
    cannot be used, else the error that the daemon's refusal stands for.
    """
    with contextlib.closing(_connection(endpoint, timeout_s)) as connection:
        try:
            its_headers = {**headers_of(endpoint, body), **(headers or {})}
            connection.request(method, target, payload_of(body), its_headers)
            response = connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(endpoint, error, timeout_s) from error
        reply = reply_of(endpoint, response.status, response.headers.get, raw)
        if reply.lease != HELD:
            connection.close()
        yield reply


def payload_of(body: Mapping[str, object] | None) -> str | None:
    """The body as it is sent."""
    return None if body is None else json.dumps(body)


def headers_of(endpoint: Endpoint, body: Mapping[str, object] | None) -> dict[str, str]:
    """The headers that a request to `endpoint` bears."""
    headers = {} if body is None else {"Content-Type": "application/json"}
    if endpoint.token is not None:
        headers["X-Vault-Token"] = endpoint.token.reveal()
    return headers


def tls_context(endpoint: Https) -> ssl.SSLContext:
    """TLS 1.3 that verifies the daemon and shows the caller's certificate. Reads files.

    Raises ConfigError.
    """
    try:
        context = ssl.create_default_context(cafile=endpoint.ca)
    except OSError as error:
        raise ConfigError(f"VAULT_CACERT: {endpoint.ca}: {_fault(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if endpoint.certificate is not None and endpoint.key is not None:
        try:
            # With a password there is no prompt for one, which nobody might answer.
            context.load_cert_chain(endpoint.certificate, endpoint.key, password="")
        except OSError as error:
            files = f"{endpoint.certificate} and {endpoint.key}"
            raise ConfigError(
                f"VAULT_CLIENT_CERT, VAULT_CLIENT_KEY: {files}: {_fault(error)}"
            ) from error
    return context


def _fault(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "not a PEM file, encrypted, or they do not belong together"
    return str(error.strerror)


def _connection(endpoint: Endpoint, timeout_s: float) -> http.client.HTTPConnection:
    if isinstance(endpoint, UnixSocket):
        return UnixConnection(endpoint.path, timeout_s)
    return http.client.HTTPSConnection(
        endpoint.host, endpoint.port, timeout=timeout_s, context=tls_context(endpoint)
    )
