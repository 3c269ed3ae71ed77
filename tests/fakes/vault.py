"""A fake Vault: an HTTP server that answers reads and lists, in the shapes that Vault documents.

It records every request, so that a test can say what was sent, and takes no token but its own. What
it has is a map from path to data; a list has what stands below.
"""

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "s.fake-token-of-tests"


@dataclass
class FakeVault:
    """The server at `address`. `denied` are paths that the token may not see; `busy` is how many
    requests are answered 429 first; `raw`, when set, answers everything with these bytes."""

    data: dict[str, Any] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    address: str = ""
    sealed: bool = False
    initialized: bool = True
    busy: int = 0
    location: str = ""
    raw: bytes | None = None

    @property
    def methods(self) -> set[str]:
        return {method for method, _, _ in self.requests}

    def asked(self) -> list[str]:
        return [path for _, path, _ in self.requests]

    def answer(self, method: str, target: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        parts = urlsplit(target)
        path = unquote(parts.path).removeprefix("/v1/").strip("/")
        if path == "sys/seal-status":
            told = {"type": "shamir", "initialized": self.initialized, "sealed": self.sealed}
            return 200, {**told, "t": 1, "n": 1, "version": "1.21.0", "storage_type": "raft"}
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if headers.get("X-Vault-Token") != TOKEN:
            return 403, {"errors": ["permission denied"]}
        if method != "GET":
            return 405, {"errors": []}
        if self.busy:
            self.busy -= 1
            return 429, {"errors": [f'request path "{path}": rate limit quota exceeded']}
        if path in self.denied:
            return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        found = self._keys(path) if parts.query == "list=true" else self.data.get(path)
        if found is None:
            return 404, {"errors": []}
        if isinstance(found, int):
            return found, {"errors": ["operation only available in root namespace"]}
        envelope = {"request_id": "7ee9f7a0", "lease_id": "", "renewable": False}
        envelope |= {"lease_duration": 0, "data": found, "wrap_info": None, "warnings": None}
        envelope |= {"auth": None, "mount_type": "system"}
        # sys/mounts and sys/auth have their data a second time, for old clients.
        return 200, {**found, **envelope} if path in ("sys/mounts", "sys/auth") else envelope

    def _keys(self, path: str) -> Any:
        if isinstance(self.data.get(f"{path}/"), int):
            return self.data[f"{path}/"]
        below = [each.removeprefix(f"{path}/") for each in self.data if each.startswith(f"{path}/")]
        names = {each.partition("/")[0] + ("/" if "/" in each else "") for each in below}
        return {"keys": sorted(names, reverse=True)} if names else None


def mount(kind: str, default_s: int = 0, max_s: int = 0) -> dict[str, Any]:
    """An entry of sys/mounts or sys/auth."""
    config = {"default_lease_ttl": default_s, "max_lease_ttl": max_s, "force_no_cache": False}
    return {
        "type": kind,
        "description": "",
        "accessor": f"{kind}_8e2f4d11",
        "local": False,
        "seal_wrap": False,
        "options": None,
        "uuid": "0e1f8c4e-8f4c-7b1e-9e9a-0a7d3b6a9b1c",
        "plugin_version": "",
        "config": config,
    }


def tune(default_s: int = 2764800, max_s: int = 2764800) -> dict[str, Any]:
    return {"default_lease_ttl": default_s, "max_lease_ttl": max_s, "force_no_cache": False}


def connection(url: str, **changes: Any) -> dict[str, Any]:
    """A connection of the database engine; Vault leaves the password out."""
    details = {"connection_url": url, "username": "vaultadmin", "max_open_connections": 4}
    return {
        "plugin_name": "postgresql-database-plugin",
        "plugin_version": "",
        "allowed_roles": ["*"],
        "connection_details": {**details, **changes.pop("details", {})},
        "root_credentials_rotate_statements": [],
        "password_policy": "",
        **changes,
    }


CREATE = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"


def role(connection: str, *creation: str, **changes: Any) -> dict[str, Any]:
    """A role of the database engine."""
    return {
        "db_name": connection,
        "creation_statements": list(creation or (CREATE,)),
        "revocation_statements": [],
        "rollback_statements": [],
        "renew_statements": [],
        "default_ttl": 0,
        "max_ttl": 0,
        "credential_type": "password",
        **changes,
    }


def login(*policies: str, **changes: Any) -> dict[str, Any]:
    """What every role of an auth method says of its tokens."""
    return {
        "token_bound_cidrs": [],
        "token_explicit_max_ttl": 0,
        "token_max_ttl": 0,
        "token_no_default_policy": False,
        "token_num_uses": 0,
        "token_period": 0,
        "token_policies": list(policies),
        "token_ttl": 0,
        "token_type": "default",
        **changes,
    }


def policy(text: str) -> dict[str, str]:
    return {"name": "", "policy": text}


DEFAULT_POLICY = policy("""
# Allow tokens to revoke themselves
path "auth/token/revoke-self" {
    capabilities = ["update"]
}
path "identity/entity/id/{{identity.entity.id}}" {
  capabilities = ["read"]
}
/* two paths for one thing */
path "sys/renew" {
    capabilities = ["update"]
}
path "sys/leases/renew" {
    capabilities = ["update"]
}
path "cubbyhole/*" {
    capabilities = ["create", "read", "update", "delete", "list"]
}
""")


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True


class _UnixServer(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@contextmanager
def running(
    vault: FakeVault,
    *,
    socket: Path | None = None,
    tls: tuple[Path, Path] | None = None,
    clients: Path | None = None,
) -> Iterator[FakeVault]:
    """Serve it on loopback, perhaps with a certificate and its key; or on a Unix socket.

    With `clients`, only to those whose certificate this authority has signed.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer, else each waits for the delayed ACK of the one before

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            vault.requests.append((self.command, self.path, dict(self.headers)))
            status, body = vault.answer(self.command, self.path, self.headers)
            data = json.dumps(body).encode() if vault.raw is None else vault.raw
            self.send_response(307 if vault.location else status)
            if vault.location:
                self.send_header("Location", f"{vault.location}{self.path}")
            if status == 429:
                self.send_header("Retry-After", "0")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_LIST = answer  # noqa: N815 (http.server's names)

        def log_message(self, *_: object) -> None:
            pass

    server: HTTPServer | UnixStreamServer
    if socket is not None:
        server = _UnixServer(str(socket), Handler)
        vault.address = f"unix://{socket}"
    else:
        server = _Server(("127.0.0.1", 0), Handler)
        scheme = "https" if tls else "http"
        vault.address = f"{scheme}://localhost:{server.server_port}"
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        if clients is not None:
            context.load_verify_locations(clients)
            context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield vault
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
