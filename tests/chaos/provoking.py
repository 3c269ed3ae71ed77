"""How a failpoint is met that clients at work do not come by."""

import contextlib
import json
import signal
import time
from collections.abc import Callable

from chaos.client import NoReply, NotSent, Reply, ask
from chaos.trial import Trial
from servers.postgres import PostgresServer

LONG_S = 600
CLOSE_S = 10.0


def _operator(trial: Trial, method: str, path: str, body: object = None) -> Reply | None:
    with contextlib.suppress(NoReply, NotSent):
        return ask(trial.daemon.socket, method, path, body)
    return None


def load(trial: Trial) -> None:
    """Clients at work are enough."""


def session(trial: Trial) -> None:
    """A revocation of a PostgreSQL account with a session open, which is taken away in stages."""
    server = trial.world.servers["pg"]
    assert isinstance(server, PostgresServer)
    held = None
    while held is None and trial.daemon.alive:
        held = trial.clients.issue("pg", LONG_S)
    if held is not None:
        with server.connect(user=held.account, password=held.password):
            trial.clients.revoke(held)


def policy(trial: Trial) -> None:
    """A policy that differs in nothing that matters."""
    file = trial.daemon.policies / "policy.yaml"
    text = file.read_text()
    longer, shorter = "max_ttl: 61m", "max_ttl: 1h"
    fresh = text.replace(longer, shorter) if longer in text else text.replace(shorter, longer)
    trial.daemon.write_policy(fresh)
    assert trial.daemon.process is not None
    trial.daemon.process.send_signal(signal.SIGHUP)


def order(trial: Trial) -> None:
    """An operator ends all leases of one mount."""
    engine = trial.world.engines[0]
    _not_promised_any_more(trial, engine)
    _operator(trial, "PUT", f"/v1/sys/leases/revoke-prefix/{engine}/creds/app")


def incident(trial: Trial) -> None:
    """An incident that ends all leases of one engine, closed again if the daemon lives."""
    engine = trial.world.engines[0]
    _not_promised_any_more(trial, engine)
    body = {"match": [f"engine={engine}"], "reason": "a drill"}
    opened = _operator(trial, "PUT", "/v1/leasehold/incidents", body)
    if opened is not None and opened.status == 200:
        _operator(trial, "PUT", f"/v1/leasehold/incidents/{opened.body['data']['id']}/revoke")


def close_incidents(trial: Trial) -> None:
    """Lift every freeze, so that the next run finds what it expects.

    One whose leases were not all told to end yet is not closed: that is a matter of seconds.
    """
    until = time.monotonic() + CLOSE_S
    while time.monotonic() < until:
        found = _operator(trial, "GET", "/v1/leasehold/incidents")
        every = found.body["data"]["incidents"] if found is not None else ()
        standing = [each["id"] for each in every if each["state"] != "closed"]
        if found is not None and not standing:
            return
        for each in standing:
            _operator(trial, "PUT", f"/v1/leasehold/incidents/{each}/close")
        time.sleep(0.2)


def orphan(trial: Trial) -> None:
    """An account that came back after its lease was over, found and removed."""
    server = trial.world.servers["pg"]
    assert isinstance(server, PostgresServer)
    held = trial.clients.issue("pg", LONG_S)
    if held is None:
        return
    trial.clients.revoke(held)
    if held.ended:
        server.execute(f'CREATE ROLE "{held.account}"')
        remove_orphans(trial)


def remove_orphans(trial: Trial) -> None:
    """Have all that is reported as an orphan taken away."""
    found = _operator(trial, "GET", "/v1/leasehold/orphans")
    if found is None or found.status != 200:
        return
    data = found.body["data"]
    accounts = [[it["engine"], it["account"]] for it in data["findings"] if it["removable"]]
    if accounts:
        body = {"accounts": accounts, "report": data["report"]}
        _operator(trial, "PUT", "/v1/leasehold/orphans", body)


def restart(trial: Trial) -> None:
    """A kill and a start, which dies at the point."""
    trial.daemon.kill()
    trial.was_killed()
    points = json.loads(trial.daemon.failpoints.read_text())
    trial.daemon.start(failpoints=points, wait=False)


def stop(trial: Trial) -> None:
    """The daemon is asked to stop while it works."""
    assert trial.daemon.process is not None
    trial.daemon.process.send_signal(signal.SIGTERM)
    time.sleep(0.05)


def _not_promised_any_more(trial: Trial, engine: str) -> None:
    for held in trial.journal.held.values():
        if held.engine == engine:
            held.perhaps = True


PROVOKE: dict[str, Callable[[Trial], None]] = {
    "load": load,
    "session": session,
    "policy": policy,
    "order": order,
    "incident": incident,
    "orphan": orphan,
    "restart": restart,
    "stop": stop,
}
AFTERWARDS: dict[str, Callable[[Trial], None]] = {
    "incident": close_incidents,
    "orphan": remove_orphans,
}
"""What an operator does when the daemon is back, since it waits for that."""
