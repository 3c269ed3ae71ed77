"""A daemon that serves one branch of a git repository."""

from pathlib import Path

import pytest

from servers.daemon import Daemon, eventually, policy_for
from servers.git import Repository
from servers.postgres import PostgresServer

pytestmark = pytest.mark.servers


@pytest.fixture
def following(daemon: Daemon, repository: Repository, postgres: PostgresServer) -> Daemon:
    repository.commit({"policy.yaml": policy_for(postgres)})
    daemon.policies = repository.url()
    return daemon.start()


def issues(daemon: Daemon, role: str) -> bool:
    return daemon.request("GET", f"/v1/database/creds/{role}").status == 200


def degraded(daemon: Daemon) -> str:
    return "\n".join(daemon.request("GET", "/v1/leasehold/status").data["degraded"])


def widened(role: str) -> dict[str, str]:
    more = f"roles:\n  main/{role}: {{member_of: [app_readonly], default_ttl: 1m, max_ttl: 1m}}\n"
    return {f"{role}.yaml": more}


def test_what_is_pushed_is_served(following: Daemon, repository: Repository) -> None:
    assert issues(following, "reader")
    repository.write({"more.yaml": "not committed"})
    assert not issues(following, "more")
    (repository.folder / "more.yaml").unlink()
    commit = repository.commit(widened("more"))
    eventually(lambda: issues(following, "more"), what="the pushed role")
    assert commit in (following.state / "audit.jsonl").read_text()


def test_a_rewritten_history_is_not_served_until_it_is_taken(
    following: Daemon, repository: Repository
) -> None:
    commit = repository.commit(widened("more"), "--amend")
    eventually(lambda: "history was rewritten" in degraded(following), what="the refusal")
    assert issues(following, "reader")
    assert not issues(following, "more")
    (following.state / "policy.accept").write_text(commit)
    eventually(lambda: issues(following, "more"), what="the taken role")
    eventually(lambda: degraded(following) == "", what="the end of the trouble")


def test_a_daemon_starts_with_the_last_policy_when_git_is_away(
    following: Daemon, repository: Repository, tmp_path: Path
) -> None:
    following.stop()
    repository.folder.rename(tmp_path / "aside")
    following.start()
    assert issues(following, "reader")
    assert "is no git repository" in degraded(following)
    (tmp_path / "aside").rename(repository.folder)
    eventually(lambda: degraded(following) == "", what="the return of git")


def test_a_first_start_with_a_bad_address_is_one_line(daemon: Daemon) -> None:
    daemon.policies = "git+https://bot:hunter2@host/policy.git#main"
    daemon.start(wait=False)
    assert daemon.wait_dead() == 1
    [line] = daemon.log.read_text().splitlines()
    assert "a password stands in the address" in line
    assert "hunter2" not in line
