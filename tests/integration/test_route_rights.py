"""Rule I6: every route asks the one decision, as its record shows, or says why it does not."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold.access import MOST_DENIED
from leasehold.api.described import description_of
from leasehold.api.openapi import table
from leasehold.api.routes import Route
from servers.daemon import Daemon, UnixConnection, policy_for
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
PAGE = Path(__file__).parents[2] / "docs" / "access.md"
ROLE = "database/creds/reader"
LEASE = f"{ROLE}/{'a' * 26}"
FILLED = {
    **{
        "mount": "database",
        "operation": "creds",
        "role": "reader",
        "name": "reader",
        "engine": "main",
    },
    **{"path": ROLE, "prefix": "database/creds", "lease_id": LEASE, "account": "x", "id": "1"},
    **{"method": "unix", "rest": "x", "request_id": "642f97c8-d580-4dd8-b494-78c1bcbd03e7"},
}
BODY = {
    **{"lease_id": LEASE, "path": ROLE, "paths": [ROLE], "role": ROLE, "method": "unix"},
    **{"accessor": "x", "token": "x"},
}
QUERY = f"?path={ROLE}&type=irrevocable&lease={LEASE}"


@pytest.fixture
def daemon(daemon: Daemon, postgres: PostgresServer) -> Daemon:
    """Whose policy knows somebody, and not the one who asks."""
    policy, changed = re.subn(r"unix: {uid: \d+}", "unix: {uid: 4242}", policy_for(postgres))
    assert changed == 1
    daemon.write_policy(policy)
    return daemon.start()


def rows(heading: str) -> Iterator[tuple[list[str], list[str]]]:
    """The rows of the table below a heading: the cells before the last, and the routes in that."""
    text = PAGE.read_text().partition(f"\n{heading}\n")[2].partition("\n#")[0]
    for line in re.findall(r"^\| (?!verb|why)(.*) \|$", text, re.MULTILINE):
        *cells, last = line.split(" | ")
        yield [cell.strip("`") for cell in cells], re.findall(r"`([^`]+)`", last)


def asked(daemon: Daemon, route: Route, method: str) -> str:
    """The id of the request."""
    url = re.sub(r"\{(\w+)…?\}", lambda name: FILLED[name[1]], route.url)
    reads = method in ("GET", "HEAD", "LIST")
    connection = UnixConnection(daemon.socket, 30)
    try:
        connection.request(
            method,
            url + (QUERY if method == "GET" else ""),
            None if reads else json.dumps(BODY),
            {"X-Vault-Wrap-TTL": "60"} if route.path == "sys/wrapping/wrap" else {},
        )
        reply = connection.getresponse()
        return str(reply.headers["X-Request-Id"])
    finally:
        connection.close()


def test_every_route_asks_the_one_decision_or_says_why_not(daemon: Daemon) -> None:
    routes = [route for route in table() if description_of(route.handler).answers]
    requests = [(route, method) for route in routes for method in sorted(route.methods)]
    replies = []
    for number, (route, method) in enumerate(requests, 1):
        replies.append((route.path, asked(daemon, route, method)))
        if number % MOST_DENIED == 0:  # after as many denials it would only say that
            daemon.stop()
            daemon.start()
    records = {}
    for line in (daemon.state / "audit.jsonl").read_text().splitlines():
        told = json.loads(line).get("detail", {})
        if "verb" in told:
            records[told["request"]] = (told["verb"], told["path"])
    decided: dict[str, set[tuple[str, str]]] = {}
    for path, request in replies:
        if request in records:
            verb, at = records[request]
            place = "its path" if at.startswith("database/") else at
            place = "the role of a login method" if at == "auth/unix/role/reader" else place
            decided.setdefault(path, set()).add((verb, place))

    documented: dict[str, set[tuple[str, str]]] = {}
    for (verb, at, _), paths in rows("## Which route asks for what"):
        for path in paths:
            documented.setdefault(path, set()).add((verb, at))
    unrecorded = {path for path, request in replies if request not in records}
    assert unrecorded & documented.keys() == {"auth/token/lookup"}, "GET looks at one's own"
    assert documented == decided
    without = {path for *_, paths in rows("### Routes that ask for no verb") for path in paths}
    assert without == {route.path for route in routes} - decided.keys()


def test_a_stranger_is_shown_nothing_by_what_asks_for_no_verb(daemon: Daemon) -> None:
    lists = (
        ("/v1/leasehold/leases", "leases"),
        ("/v1/leasehold/tokens", "tokens"),
        ("/v1/leasehold/revocations", "revocations"),
        ("/v1/sys/leases?type=irrevocable", "leases"),
    )
    for url, name in lists:
        reply = daemon.request("GET", url)
        assert reply.data[name] == []
    mounts = daemon.request("GET", "/v1/sys/mounts").text
    assert "database" not in mounts
