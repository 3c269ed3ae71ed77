"""A cluster of Elasticsearch or OpenSearch as its interface for security shows it: a fake.

It keeps to what the vendors document and their sources do, as far as the engine asks it: paths,
methods, bodies with unknown keys refused, who may do what, and nodes that each remember logins for
themselves. What it knows of a product stands in `fakes.elasticsearch` and `fakes.opensearch`.
"""

import base64
import binascii
import http.server
import json
import re
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from servers.certificates import Pair


@dataclass(frozen=True)
class Asked:
    """A request that was let in. `rest` are the parts of the path that vary."""

    who: str
    by_key: bool
    rest: Sequence[str]
    query: dict[str, str]
    body: Any


@dataclass
class Given:
    """What goes back."""

    status: int
    data: Any


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, data: Any) -> None:
        super().__init__(status)
        self.given = Given(status, data)


Handler = Callable[[Asked], Given]


class Node:
    """One node: an HTTP server on loopback, and the logins that it remembers.

    `misses_changes`: it does not hear that an account was changed. `misses_clears`: nor that it is
    to forget logins. `override` answers everything. `after` is called when a request was worked on,
    before it is answered; false means that no answer is given.
    """

    def __init__(self, cluster: "SearchCluster", pair: Pair | None) -> None:
        self.remembered: dict[str, str] = {}
        self.misses_changes = self.misses_clears = self.stopped = False
        self.override: Given | None = None
        self.after: Callable[[str, str], bool] = lambda _method, _path: True
        node = self

        class Requests(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one piece

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                given = cluster.answer(node, self.command, self.path, self.headers, length, self)
                if given is None:
                    self.close_connection = True
                    return
                body = json.dumps(given.data).encode()
                self.send_response(given.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815 (http.server's names)

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # clients go away

        self._server = Server(("127.0.0.1", 0), Requests)
        scheme, host = "http", "127.0.0.1"
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate_file, pair.key_file)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme, host = "https", "localhost"
        self.url = f"{scheme}://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        """From now on nobody can connect, and who is connected gets no answer."""
        self.stopped = True
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass
class User:
    """A user as it is stored."""

    password: str
    roles: list[str]
    about: dict[str, Any] = field(default_factory=dict)
    enabled: bool = True


class SearchCluster:
    """State that all nodes share. `log` has what was asked: method, path, body."""

    admin = "root"

    def __init__(self, nodes: int = 1, pair: Pair | None = None) -> None:
        self.password = secrets.token_hex(8)
        self.uuid = secrets.token_urlsafe(16)
        self.late_s = 0.0
        self.lock = threading.RLock()
        self.users: dict[str, User] = {}
        self.roles: dict[str, dict[str, Any]] = {}
        self.log: list[tuple[str, str, Any]] = []
        self.routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self.nodes = [Node(self, pair) for _ in range(nodes)]

    def now(self) -> float:
        """The cluster's clock, which a test may put on by `late_s`."""
        return time.time() + self.late_s

    def route(self, methods: str, path: str, handler: Handler) -> None:
        """Have `handler` answer; each `{}` in the path is one part that varies."""
        pattern = re.compile(re.escape(path).replace(r"\{\}", "([^/]+)"))
        for method in methods.split():
            self.routes.append((method, pattern, handler))
        # What is named in a path comes before what varies there.
        self.routes.sort(key=lambda route: "(" in route[1].pattern)

    @contextmanager
    def running(self) -> Iterator["SearchCluster"]:
        try:
            yield self
        finally:
            for node in self.nodes:
                if not node.stopped:
                    node.stop()

    def changed(self, forget: Callable[[str], bool]) -> list[Node]:
        """Tell the nodes of a change: each forgets what `forget` says. Returns who missed it."""
        for node in self.nodes:
            if not node.misses_changes:
                self.forget(node, forget)
        return [node for node in self.nodes if node.misses_changes]

    def forget(self, node: Node, forget: Callable[[str], bool]) -> None:
        for login, who in list(node.remembered.items()):
            if forget(who):
                del node.remembered[login]

    def answer(
        self, node: Node, method: str, target: str, headers: Any, length: int, request: Any
    ) -> Given | None:
        """What a request gets; None for no answer at all."""
        raw = request.rfile.read(length)
        parts = urlsplit(target)
        with self.lock:
            if node.stopped:
                return None
            if node.override is not None:
                return node.override
            try:
                given = self._answer(node, method, parts.path, parts.query, headers, raw)
            except Refused as refused:
                given = refused.given
        return given if node.after(method, parts.path) else None

    def _answer(
        self, node: Node, method: str, path: str, query: str, headers: Any, raw: bytes
    ) -> Given:
        who, by_key = self._login(node, headers.get("Authorization", ""))
        found = [(it, match, at) for it, way, at in self.routes if (match := way.fullmatch(path))]
        if not found:
            raise Refused(400, self.error(400, "illegal_argument_exception"))
        allowed = [(match, handler) for it, match, handler in found if it == method]
        if not allowed:
            raise Refused(405, self.error(405, "method_not_allowed"))
        match, handler = allowed[0]
        if raw and headers.get("Content-Type") != "application/json":
            raise Refused(406, self.error(406, "media_type_header_exception"))
        body = json.loads(raw) if raw else None
        self.log.append((method, path, body))
        asked = Asked(
            who,
            by_key,
            [unquote(part) for part in match.groups()],
            {key: values[-1] for key, values in parse_qs(query).items()},
            body,
        )
        return handler(asked)

    def _login(self, node: Node, header: str) -> tuple[str, bool]:
        scheme, _, token = header.partition(" ")
        who = node.remembered.get(header)
        if who is None:
            try:
                clear = base64.b64decode(token, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                clear = ""
            name, _, secret = clear.partition(":")
            if scheme == "Basic":
                who = self.user_with(name, secret)
            elif scheme == "ApiKey":
                who = self.key_with(name, secret)
            if who is None:
                raise Refused(401, self.error(401, "security_exception"))
            node.remembered[header] = who
        return who, scheme == "ApiKey"

    def user_with(self, name: str, password: str) -> str | None:
        user = self.users.get(name)
        return name if user and user.enabled and user.password == password else None

    def key_with(self, key_id: str, secret: str) -> str | None:
        """Whose login an API key is; there are none unless the product has them."""
        return None

    def error(self, status: int, kind: str, **more: Any) -> Any:
        """An error in the form of Elasticsearch."""
        about = {"type": kind, "reason": "secret words of the server", **more}
        return {"error": {"root_cause": [about], **about}, "status": status}


def only(body: Any, *allowed: str) -> dict[str, Any]:
    """The body, if it is a map with no other keys."""
    if not isinstance(body, dict) or set(body) - set(allowed):
        raise Refused(
            400, {"error": {"type": "x_content_parse_exception", "reason": "x"}, "status": 400}
        )
    return body
