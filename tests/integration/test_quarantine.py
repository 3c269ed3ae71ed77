"""T10: an older store put back is recognised, and put right without one wrong revocation."""

import random
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from servers.daemon import Daemon, eventually, policy_for
from servers.mosquitto import MosquittoServer
from servers.operator import asked, audited, leasehold, offline
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
CHANGES = 500
LIVING = 40


def issue(daemon: Daemon, role: str = "reader", **fields: Any) -> dict[str, Any]:
    reply = daemon.request("PUT", f"/v1/database/creds/{role}", fields)
    assert reply.status == 200, reply.text
    return {"id": reply.json["lease_id"], "account": reply.json["data"]["username"]}


def revoke(daemon: Daemon, lease: dict[str, Any], status: int = 204) -> None:
    reply = daemon.request("PUT", "/v1/sys/leases/revoke", {"lease_id": lease["id"]})
    assert reply.status == status, reply.text


def renew(daemon: Daemon, lease: dict[str, Any], increment: str = "2h") -> None:
    body = {"lease_id": lease["id"], "increment": increment}
    assert daemon.request("PUT", "/v1/sys/leases/renew", body).status == 200


def copy_store(daemon: Daemon, folder: Path) -> None:
    """As docs/operations.md has it, beside a running daemon."""
    into = f"VACUUM INTO '{folder / 'leases.db'}'"
    command = [
        "python3",
        "-c",
        "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute(sys.argv[2])",
    ]
    subprocess.run([*command, str(daemon.state / "leases.db"), into], check=True)


def put_back(daemon: Daemon, folder: Path) -> None:
    for file in daemon.state.glob("leases.db*"):
        file.unlink()
    shutil.copy(folder / "leases.db", daemon.state)
    (daemon.state / "leases.db").chmod(0o600)


def ends(daemon: Daemon) -> dict[str, str]:
    """The end of each live lease, by its account."""
    found = asked(daemon, "leases")
    return {it["account"]: it["expire_time"] for it in found["leases"] if it["state"] == "active"}


def test_after_500_changes_an_older_store_is_recognised_and_put_right(
    daemon: Daemon, postgres: PostgresServer, tmp_path: Path
) -> None:
    daemon.start()
    with ThreadPoolExecutor(8) as pool:
        before = list(pool.map(lambda _: issue(daemon), range(LIVING)))
        soon = [issue(daemon, ttl="3s") for _ in range(3)]
        copy_store(daemon, tmp_path)
        chosen = random.Random(7)
        chosen.shuffle(before)
        renewed, revoked = before[:15], before[15:25]
        untouched = before[25:]
        list(pool.map(lambda lease: renew(daemon, lease), [*renewed, *soon]))
        list(pool.map(lambda lease: revoke(daemon, lease), revoked))
        count = (CHANGES - len(renewed) - len(soon) - len(revoked)) // 2
        new = list(pool.map(lambda _: issue(daemon), range(count)))
        ended, living = new[: count - 60], new[count - 60 :]
        list(pool.map(lambda lease: revoke(daemon, lease), ended))
        list(pool.map(lambda lease: renew(daemon, lease), living[:30]))
    true = ends(daemon)
    assert set(true) == {it["account"] for it in (*renewed, *soon, *untouched, *living)}
    daemon.kill()
    put_back(daemon, tmp_path)

    daemon.start()
    standing = set(postgres.accounts())
    assert standing == set(true)
    refused = daemon.request("GET", "/v1/database/creds/reader")
    assert (refused.status, refused.json["code"]) == (503, "quarantined")
    refused = daemon.request("PUT", "/v1/sys/leases/renew", {"lease_id": untouched[0]["id"]})
    assert refused.json["code"] == "quarantined"
    found = daemon.request("PUT", "/v1/leasehold/drift", {}).data["findings"]
    assert [it["what"] for it in found] == ["quarantined"], "accounts are not called orphans"
    told = leasehold(daemon, "status")
    assert "degraded: quarantined: an older store was put back: it knows " in told.stdout
    assert "leasehold_quarantined 1.0" in leasehold(daemon, "metrics").stdout
    shown = asked(daemon, "quarantine", "show")
    assert shown["state"] == "held"
    plan = shown["plan"]
    assert plan["adopt"] == len(renewed) + len(soon) + len(living)
    assert (plan["close"], plan["revoke"], plan["doubtful"]) == (len(revoked), 0, 0)
    assert (plan["keep"], plan["orphans"], plan["unlooked"]) == (len(untouched), {}, {})
    done = leasehold(daemon, "quarantine", "release", "--dry-run")
    assert done.returncode == 0
    assert f"{plan['adopt']} leases were renewed or issued since: adopt" in done.stdout
    assert leasehold(daemon, "quarantine", "release").returncode == 1, "nobody said yes"
    assert set(postgres.accounts()) == standing, "revocations are held"

    done = leasehold(daemon, "quarantine", "release", "--yes")
    assert done.returncode == 0, done.stderr
    after = ends(daemon)
    assert set(after) == set(true), "no lease is lost, none came back"
    for account, end in true.items():
        moved = datetime.fromisoformat(after[account]) - datetime.fromisoformat(end)
        assert abs(moved.total_seconds()) < 1, f"{account} keeps its end"
    assert set(postgres.accounts()) == set(true), "none was revoked wrongly"
    for lease in (*renewed, *living, *untouched):
        revoke(daemon, lease)
    assert set(postgres.accounts()) == {it["account"] for it in soon}
    assert offline("audit", "verify", "--state-dir", daemon.state).stdout.count("broken-at-start")
    daemon.stop()
    daemon.start()
    assert asked(daemon, "quarantine", "show")["state"] == "released"
    issue(daemon)


def test_a_release_that_is_killed_goes_on_with_the_next_start(
    daemon: Daemon, postgres: PostgresServer, tmp_path: Path
) -> None:
    daemon.start()
    kept = issue(daemon)
    copy_store(daemon, tmp_path)
    gone, new = issue(daemon), issue(daemon)
    revoke(daemon, gone)
    daemon.stop()
    put_back(daemon, tmp_path)
    daemon.start(failpoints={"quarantine.page": {"action": "kill"}})
    assert leasehold(daemon, "quarantine", "release", "--yes").returncode == 1
    assert daemon.wait_dead() == -9
    daemon.start()
    eventually(lambda: asked(daemon, "quarantine", "show")["state"] == "released")
    assert set(ends(daemon)) == {kept["account"], new["account"]} == set(postgres.accounts())
    assert asked(daemon, "quarantine", "show")["report"]["adopted"] == 1
    events = [line["event"] for line in audited(daemon)]
    for event in ("quarantine-begun", "quarantine-releasing", "adopted", "quarantine-released"):
        assert events.count(event) == 1


def test_store_and_audit_put_back_together_are_told_by_the_broker(
    daemon: Daemon, postgres: PostgresServer, mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    daemon.mqtt, daemon.flags = mosquitto.url, ("--deployment", "old-store")
    daemon.start()
    over, kept = issue(daemon, ttl="4s"), issue(daemon)
    copy_store(daemon, tmp_path)
    shutil.copy(daemon.state / "audit.jsonl", tmp_path)
    renew(daemon, over)
    lost = issue(daemon)
    daemon.stop()
    put_back(daemon, tmp_path)
    shutil.copy(tmp_path / "audit.jsonl", daemon.state)
    daemon.start()
    shown = asked(daemon, "quarantine", "show")
    assert shown["why"].startswith("an older store and audit were put back: ")
    with mosquitto.subscriber() as listening:
        eventually(
            lambda: any(
                it.topic.endswith("/status") and it.payload["state"] == "quarantined"
                for it in listening.received
            )
        )
    plan = eventually(
        lambda: (found := asked(daemon, "quarantine", "show")["plan"])["doubtful"] and found
    )
    assert (plan["doubtful"], plan["orphans"]) == (1, {"main": 1})
    done = leasehold(daemon, "quarantine", "release", "--yes", "--adopt-doubtful")
    assert done.returncode == 0, done.stderr
    assert set(ends(daemon)) == {over["account"], kept["account"]}
    assert lost["account"] in postgres.accounts()
    assert "main: 1 accounts no lease can be made for" in done.stdout
    daemon.stop()


def test_by_hand_it_is_held_over_restarts_until_it_is_released(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    daemon.start()
    lease = issue(daemon)
    daemon.stop()
    daemon.flags = ("--quarantine",)
    daemon.start()
    daemon.stop()
    daemon.flags = ()
    daemon.start()
    assert asked(daemon, "quarantine", "show")["why"] == "asked for at the start"
    revoke(daemon, lease, 202)
    assert lease["account"] in postgres.accounts(), "it is written down, and waits"
    assert leasehold(daemon, "quarantine", "release", "--yes").returncode == 0
    eventually(lambda: lease["account"] not in postgres.accounts())
    assert leasehold(daemon, "quarantine", "release", "--yes").returncode == 1


def test_tokens_that_were_revoked_or_renewed_since_are_so_again(
    daemon: Daemon, tmp_path: Path
) -> None:
    def by(token: str, route: str, **body: Any) -> Any:
        headers = {"X-Vault-Token": token}
        return daemon.request("PUT", f"/v1/auth/token/{route}", body, headers=headers)

    daemon.start()
    logins = [daemon.request("PUT", "/v1/auth/unix/login", {}).json["auth"] for _ in range(3)]
    revoked, renewed, kept = (login["client_token"] for login in logins)
    wrapped = daemon.request(
        "GET", "/v1/database/creds/reader", headers={"X-Vault-Wrap-TTL": "60s"}
    ).json["wrap_info"]["token"]
    copy_store(daemon, tmp_path)
    assert by(revoked, "revoke-self").status == 204
    far = by(renewed, "renew-self", increment="20h").json["auth"]["lease_duration"]
    lease = daemon.request("PUT", "/v1/sys/wrapping/unwrap", {"token": wrapped}).json["lease_id"]
    daemon.kill()
    put_back(daemon, tmp_path)
    daemon.start()
    assert by(revoked, "lookup-self").status == 403
    assert abs(by(renewed, "lookup-self").data["ttl"] - far) < 60
    assert by(kept, "lookup-self").status == 200
    assert leasehold(daemon, "quarantine", "release", "--yes").returncode == 0
    time.sleep(1.5)  # what is taken for lost is revoked once a second
    found = {it["lease_id"]: it["state"] for it in asked(daemon, "leases")["leases"]}
    assert found[lease] == "active", "what somebody has unwrapped is not lost"


def test_no_password_is_changed_by_itself_until_the_release(
    daemon: Daemon, postgres: PostgresServer
) -> None:
    """What an older store takes for due may have been done since, and be in use."""
    name, before = "held_app", "somebody else's"
    postgres.execute("CREATE ROLE held_app LOGIN PASSWORD 'somebody else''s'")
    role = f"static_roles:\n  main/held:\n    username: {name}\n    rotation: {{every: 5s}}\n"
    daemon.write_policy(policy_for(postgres) + role)
    daemon.start()
    daemon.stop()
    daemon.flags = ("--quarantine",)
    time.sleep(5)
    daemon.start()
    [due] = asked(daemon, "rotations")["static_roles"]
    assert due["next_at"] < asked(daemon, "quarantine", "show")["since"]
    assert postgres.can_log_in(name, before, "postgres")
    assert leasehold(daemon, "quarantine", "release", "--yes").returncode == 0
    eventually(lambda: not postgres.can_log_in(name, before, "postgres"))
    daemon.stop()
    postgres.execute(f"DROP ROLE {name}")
