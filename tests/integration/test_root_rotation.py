"""The administrator's password of a real PostgreSQL is rotated, whatever dies in between.

`LEASEHOLD_KILLS` sets how many random kills the last test makes.
"""

import http.client
import os
import random
import threading
import time
from typing import Any

import pytest

from servers.daemon import Daemon, eventually, policy_for
from servers.operator import asked, audited, leasehold
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers
PATH = "/v1/database/creds/reader"
ROTATE = "/v1/database/rotate-root/main"
KILLS = int(os.environ.get("LEASEHOLD_KILLS", "6"))
POINTS = ["rotation.intended", "rotation.set", "rotation.proved", "rotation.written"]


def standing(daemon: Daemon) -> dict[str, Any]:
    [found] = asked(daemon, "rotations")["engines"]
    return dict(found)


def works(daemon: Daemon) -> bool:
    """Whether the administrator's rights are there: an account is made and taken away."""
    issued = daemon.request("GET", PATH)
    if issued.status != 200:
        return False
    lease = {"lease_id": issued.json["lease_id"]}
    return daemon.request("PUT", "/v1/sys/leases/revoke", lease).status == 204


def forget_the_first_password(daemon: Daemon) -> None:
    daemon.env["TEST_PG_PASSWORD"] = "gone"


def test_after_a_rotation_only_the_daemon_knows_the_password(
    daemon: Daemon, postgres: PostgresServer, keeper: str
) -> None:
    daemon.start()
    held = daemon.request("GET", PATH).json
    assert leasehold(daemon, "rotate-root", "main").stdout == "main: rotated\n"
    assert not postgres.can_log_in(keeper, postgres.password)
    assert works(daemon)
    assert asked(daemon, "drift")["findings"] == []
    assert standing(daemon)["version"] == 1
    daemon.stop()
    forget_the_first_password(daemon)
    daemon.start()
    assert works(daemon)
    # Its recipe was frozen with the first password.
    lease = {"lease_id": held["lease_id"]}
    assert daemon.request("PUT", "/v1/sys/leases/revoke", lease).status == 204
    assert postgres.accounts() == []
    events = [line["event"] for line in audited(daemon)]
    assert events.count("root-rotated") == events.count("rotation-intended") == 1


def test_leases_end_after_a_rotation_although_the_engine_left_the_policy(
    daemon: Daemon, postgres: PostgresServer, keeper: str
) -> None:
    daemon.start()
    assert daemon.request("GET", PATH).status == 200
    assert daemon.request("POST", ROTATE).status == 204
    daemon.stop()
    forget_the_first_password(daemon)
    policy = daemon.policies / "policy.yaml"
    text = policy.read_text().replace("main:", "other:").replace("main/", "other/")
    policy.write_text(text + "safety: {max_deletes: 100, max_delete_pct: 100}\n")
    daemon.start()
    told = leasehold(daemon, "apply", "--yes")
    assert told.returncode == 0, told.stdout + told.stderr
    [lease] = asked(daemon, "leases")["leases"]
    body = {"lease_id": lease["lease_id"]}
    assert daemon.request("PUT", "/v1/sys/leases/revoke", body).status == 204
    assert postgres.accounts() == []


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_within_a_rotation_locks_nobody_out(
    daemon: Daemon, postgres: PostgresServer, keeper: str, point: str
) -> None:
    daemon.start(failpoints={point: {"action": "kill"}})
    with pytest.raises((OSError, http.client.HTTPException)):
        daemon.request("POST", ROTATE)
    assert daemon.wait_dead() == -9
    daemon.start()
    assert works(daemon), "it was settled before the first request"
    assert standing(daemon)["version"] == 1
    assert not standing(daemon)["unsettled"]
    assert asked(daemon, "drift")["findings"] == []


def test_a_rotation_that_is_due_is_made_and_a_restart_makes_none(
    daemon: Daemon, postgres: PostgresServer, keeper: str
) -> None:
    policy = daemon.policies / "policy.yaml"
    every = "    mount: database\n    root_rotation: {every: 5s}\n"
    policy.write_text(policy.read_text().replace("    mount: database\n", every))
    daemon.start()
    assert standing(daemon)["rotated_at"] is None
    eventually(lambda: standing(daemon)["version"] == 1, what="the first rotation")
    policy.write_text(policy.read_text().replace("every: 5s", "every: 30d"))
    served = "generation 2 is served"
    eventually(lambda: served in daemon.log.read_text(), what="the longer span")
    made = standing(daemon)["version"]
    daemon.stop()
    daemon.start()
    assert works(daemon)
    assert standing(daemon)["version"] == made


def test_what_the_policy_refers_to_is_used_again_after_a_reset(
    daemon: Daemon, postgres: PostgresServer, keeper: str
) -> None:
    daemon.start()
    never = leasehold(daemon, "rotate-root", "main", "--reset")
    assert never.returncode == 1
    assert "was never rotated" in never.stderr
    assert daemon.request("POST", ROTATE).status == 204
    told = leasehold(daemon, "rotate-root", "main", "--reset")
    assert told.stdout == "main: the password is the one of the policy again\n"
    assert postgres.can_log_in(keeper, postgres.password)
    assert standing(daemon)["rotated_at"] is None
    daemon.stop()
    daemon.start()
    assert works(daemon)


def test_a_reset_goes_on_where_somebody_has_set_the_password_by_hand(
    daemon: Daemon, postgres: PostgresServer, keeper: str
) -> None:
    daemon.start()
    assert daemon.request("POST", ROTATE).status == 204
    postgres.execute(f"ALTER ROLE {keeper} PASSWORD '{postgres.password}'")
    assert [each["what"] for each in asked(daemon, "drift")["findings"]] == ["admin-refused"]
    assert daemon.request("POST", ROTATE, {"reset": True}).status == 204
    assert asked(daemon, "drift")["findings"] == []
    assert works(daemon)


def test_a_plan_says_that_another_reference_is_not_used(
    daemon: Daemon, postgres: PostgresServer, keeper: str
) -> None:
    daemon.start()
    assert daemon.request("POST", ROTATE).status == 204
    policy = daemon.policies / "policy.yaml"
    wanted = policy.read_text().replace("env:TEST_PG_PASSWORD", "env:ANOTHER")
    other = daemon.folder / "wanted.yaml"
    other.write_text(wanted)
    text = leasehold(daemon, "plan", str(other)).stdout
    assert "connection.password is not used since it was rotated at 20" in text
    policy.write_text(wanted)
    told = leasehold(daemon, "apply", "--yes")
    assert told.returncode == 0, told.stdout + told.stderr
    assert works(daemon), "the reference leads nowhere, and nobody minds"


def test_a_rotation_that_is_due_waits_for_a_target_that_is_away(
    daemon: Daemon, postgres: PostgresServer, keeper: str
) -> None:
    policy = daemon.policies / "policy.yaml"
    every = "    mount: database\n    root_rotation: {every: 5s}\n"
    policy.write_text(policy.read_text().replace("    mount: database\n", every))
    daemon.start()
    postgres.stop()
    try:
        eventually(lambda: standing(daemon)["failures"], what="an attempt")
        assert not standing(daemon)["unsettled"], "nothing was sent"
        assert "its password is not rotated" in leasehold(daemon, "status").stdout
    finally:
        postgres.start()
    eventually(lambda: standing(daemon)["version"], 40, "the rotation")
    assert works(daemon)
    failed = [line for line in audited(daemon) if line["event"] == "rotation-failed"]
    assert failed[0]["detail"]["why"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_random_kills_within_rotations_always_leave_working_rights(
    daemon: Daemon, postgres: PostgresServer, keeper: str
) -> None:
    dice = random.Random(os.environ.get("LEASEHOLD_SEED", "1"))
    policy = daemon.policies / "policy.yaml"
    policy.write_text(policy.read_text().replace("statement_timeout: 2", "statement_timeout: 1"))
    for number in range(KILLS):
        daemon.start()
        assert works(daemon), f"after {number} kills"
        begun = threading.Event()
        rotating = threading.Thread(target=rotate_until_dead, args=(daemon, begun))
        rotating.start()
        assert begun.wait(20)
        time.sleep(dice.uniform(0, 0.15))
        daemon.kill()
        rotating.join()
    daemon.start()
    assert works(daemon)
    assert not standing(daemon)["unsettled"]
    assert standing(daemon)["version"] >= KILLS
    assert asked(daemon, "drift")["findings"] == []


def rotate_until_dead(daemon: Daemon, begun: threading.Event) -> None:
    """One rotation after the other; what a kill left must be past before the first."""
    while True:
        try:
            status = daemon.request("POST", ROTATE).status
        except (OSError, http.client.HTTPException):
            return
        if status == 204:
            begun.set()
        else:
            assert status == 503
            time.sleep(0.1)


def test_the_password_needs_the_right_to_operate_there(
    daemon: Daemon, postgres: PostgresServer, keeper: str
) -> None:
    policy = policy_for(postgres).replace('paths: ["*"]', 'paths: ["leasehold/*"]')
    daemon.write_policy(policy.replace(f'username: "{postgres.admin}"', f'username: "{keeper}"'))
    daemon.start()
    assert daemon.request("POST", ROTATE).status == 403
    assert postgres.can_log_in(keeper, postgres.password)
