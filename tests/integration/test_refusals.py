"""What callers may not do, and what no caller can send: each is refused in one clear line."""

import contextlib
import json
import os
import socket

import pytest

from servers.daemon import Daemon, policy_for
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
STRANGER = 12_345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user")


def errors(daemon: Daemon, method: str, path: str, body: object = None) -> tuple[int, str]:
    reply = daemon.request(method, path, body)
    return reply.status, reply.json["errors"][0]


def raw(daemon: Daemon, data: bytes, *, timeout_s: float = 15) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout_s)
        sock.connect(str(daemon.socket))
        with contextlib.suppress(BrokenPipeError):
            sock.sendall(data)
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk
        return answer


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def posted(data: bytes, *headers: str, path: str = "sys/leases/lookup") -> bytes:
    lines = [
        f"POST /v1/{path} HTTP/1.1",
        "Host: x",
        "Connection: close",
        f"Content-Length: {len(data)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def test_what_no_rule_allows_is_denied_alike_whether_it_exists_or_not(daemon: Daemon) -> None:
    daemon.start()
    assert errors(daemon, "GET", "/v1/elsewhere/creds/reader") == (403, "permission denied")
    assert errors(daemon, "GET", "/v1/database/other/reader") == (403, "permission denied")


def test_an_unknown_role_is_named(daemon: Daemon) -> None:
    daemon.start()
    assert errors(daemon, "GET", "/v1/database/creds/raeder") == (400, "unknown role: raeder")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/v1/database/creds/reader", 405),
        ("GET", "/v1/sys/leases/renew", 405),
        ("GET", "/v1/sys/nothing/here", 404),
        ("GET", "/v1/database", 404),
        ("GET", "/v1/database/creds/%72eader", 404),
        ("GET", "/v1//database/creds/reader", 404),
        ("GET", "/v1/database/creds/../reader", 404),
        ("GET", "/database/creds/reader", 404),
        ("BREW", "/v1/sys/health", 405),
    ],
)
def test_no_path_is_guessed_at(daemon: Daemon, method: str, path: str, status: int) -> None:
    daemon.start()
    assert errors(daemon, method, path)[0] == status


def test_a_method_that_is_not_served_is_told_which_ones_are(daemon: Daemon) -> None:
    daemon.start()
    for method, path, allowed in (
        ("DELETE", "database/creds/reader", "GET, POST, PUT"),
        ("GET", "database/roles", "LIST"),
        ("DELETE", "database/roles/reader", "GET"),
        ("PUT", "sys/init", "GET"),
    ):
        reply = daemon.request(method, f"/v1/{path}")
        assert (reply.status, reply.headers["Allow"]) == (405, allowed)
        assert reply.json["code"] == "unsupported"


def test_files_that_are_no_base64_are_refused(daemon: Daemon) -> None:
    daemon.start()
    for data in ("!", "é"):
        told = errors(daemon, "PUT", "/v1/leasehold/plan", {"files": [["a.yaml", data]]})
        assert told == (400, "files: found what is not base64; allowed are pairs [name, base64]")


def test_a_body_within_the_rules_is_needed(daemon: Daemon) -> None:
    daemon.start()
    deep = b'{"lease_id": ' + b"[" * 40 + b"]" * 40 + b"}"
    for data, status, words in (
        (b"{", 400, "not JSON"),
        (b"[1]", 400, "not a JSON object"),
        (b'{"a": 1, "a": 2}', 400, "a key twice"),
        (b'{"a": NaN}', 400, "NaN"),
        (deep, 400, "levels deep"),
        (b'{"lease_id": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", 400, "levels deep"),
        (b'{"lease_id": "' + b"x" * 70_000 + b'"}', 413, "allowed are 65536"),
        (b'{"lease_id": 7}', 400, "allowed is a text"),
        (b"\xff\xfe", 400, "UTF-8"),
        (rb'{"lease_id": "\ud800"}', 400, "surrogate"),
        (b"{}", 400, "lease_id must be specified"),
        (json.dumps(dict.fromkeys(map(str, range(300)))).encode(), 413, "256 keys"),
    ):
        answer = raw(daemon, posted(data))
        assert status_of(answer) == status, (data[:40], answer)
        assert words in json.loads(answer.split(b"\r\n\r\n", 1)[1])["errors"][0]


def test_a_form_is_read_when_it_is_declared(daemon: Daemon) -> None:
    daemon.start()
    form = "Content-Type: application/x-www-form-urlencoded"
    answer = raw(daemon, posted(b"lease_id=database%2Fcreds%2Freader%2Fx", form))
    assert b"invalid lease" in answer


@pytest.mark.parametrize(
    "header",
    [
        "Content-Encoding: gzip",
        "Expect: 100-continue",
        "Transfer-Encoding: chunked",
        "Upgrade: h2c",
        "X-Vault-Namespace: team-a",
        "X-Vault-Wrap-TTL: 60",
    ],
)
def test_a_header_that_changes_the_meaning_is_refused(daemon: Daemon, header: str) -> None:
    daemon.start()
    answer = raw(daemon, posted(b"{}", header))
    assert status_of(answer) == 400
    assert b'{"errors": ["' in answer


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET /v1/sys/health HTTP/1.1\r\n\r\n",
        b"GET /v1/sys/health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 9_000 + b"\r\n\r\n",
        b"GET /v1/sys/health HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 70 + b"\r\n",
    ],
)
def test_what_is_no_http_is_answered_in_json(daemon: Daemon, data: bytes) -> None:
    daemon.start()
    answer = raw(daemon, data)
    assert status_of(answer) == 400, answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["errors"]
    assert "Traceback" not in daemon.log.read_text()


@pytest.mark.slow
def test_a_stalled_body_is_cut_off(daemon: Daemon) -> None:
    daemon.start()
    begun = posted(b"{}").replace(b"Content-Length: 2", b"Content-Length: 20")
    assert b"did not arrive within 10 s" in raw(daemon, begun)


def test_a_uid_with_too_many_connections_is_told(daemon: Daemon) -> None:
    daemon.start()
    held = []
    try:
        for _ in range(32):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(str(daemon.socket))
            held.append(sock)
        answer = raw(daemon, b"")
        assert status_of(answer) == 429
        assert b"32 connections open" in answer
    finally:
        for sock in held:
            sock.close()


@as_root
def test_another_user_has_nothing_unless_a_rule_names_it(public_daemon: Daemon) -> None:
    public_daemon.start()
    reply = public_daemon.request("GET", "/v1/database/creds/reader")
    lease = {"lease_id": reply.json["lease_id"]}
    ask = public_daemon.request_as
    assert ask(STRANGER, "GET", "/v1/database/creds/reader") == 403
    assert ask(STRANGER, "GET", "/v1/leasehold/status") == 403
    # Another's lease answers like one that never was.
    assert ask(STRANGER, "PUT", "/v1/sys/leases/lookup", lease) == 400
    assert ask(STRANGER, "PUT", "/v1/sys/leases/renew", lease) == 400
    assert ask(STRANGER, "PUT", "/v1/sys/leases/revoke", lease) == 204
    assert public_daemon.request("PUT", "/v1/sys/leases/lookup", lease).status == 200


@as_root
def test_root_has_nothing_by_being_root(public_daemon: Daemon, postgres: PostgresServer) -> None:
    policy = policy_for(postgres).replace(f"uid: {os.getuid()}", f"uid: {STRANGER}")
    public_daemon.write_policy(policy)
    public_daemon.start()
    assert public_daemon.request("GET", "/v1/database/creds/reader").status == 403
    assert public_daemon.request_as(STRANGER, "GET", "/v1/database/creds/reader") == 200


@as_root
def test_whom_the_kernel_cannot_map_is_nobody(
    public_daemon: Daemon, postgres: PostgresServer
) -> None:
    public_daemon.start()
    assert public_daemon.request_as(65_534, "GET", "/v1/database/creds/reader") == 403
