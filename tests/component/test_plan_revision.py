"""`leasehold plan --offline --base-rev`: a change held against what git has."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from leasehold.cli.main import cli
from servers.git import Repository

POLICY = """\
engines:
  main:
    type: postgresql
    mount: database
    connection: {url: "postgresql://db.internal/app", username: keeper, password: "file:/none"}
roles:
  main/reader: {member_of: [app_readonly], default_ttl: 1h, max_ttl: 8h}
"""


def plan(folder: Path, revision: str) -> Result:
    words = ["plan", str(folder), "--offline", "--base-rev", revision, "--json"]
    return CliRunner().invoke(cli, words)


def max_ttls(result: Result) -> list[tuple[str, str]]:
    assert result.exit_code == 0, result.stderr
    [change] = json.loads(result.stdout)["changes"]
    return [(it["before"], it["after"]) for it in change["differences"] if it["field"] == "max_ttl"]


@pytest.fixture
def folder(repository: Repository) -> Path:
    """A checkout with the policy in `team/policies`, committed twice and then edited."""
    name = "team/policies/all.yaml"
    repository.commit({name: POLICY.replace("8h", "4h")})
    repository.commit({name: POLICY})
    repository.write({name: POLICY.replace("8h", "2h")})
    return repository.folder / "team" / "policies"


def test_a_change_is_held_against_the_same_folder_at_a_revision(folder: Path) -> None:
    assert max_ttls(plan(folder, "main")) == [("8h", "2h")]
    assert max_ttls(plan(folder, "HEAD~1")) == [("4h", "2h")]


def test_settings_of_git_in_the_environment_lead_nowhere_else(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert max_ttls(plan(folder, "main")) == [("8h", "2h")]


def test_what_git_cannot_give_is_one_line(folder: Path, tmp_path: Path) -> None:
    (alone := tmp_path / "alone").mkdir()
    (alone / "all.yaml").write_text(POLICY)
    for place, revision, words in (
        (folder, "release", "its repository has no revision release"),
        (folder, "--all", "its repository has no revision --all"),
        (folder / "all.yaml", "main", "is no directory"),
        (alone, "main", "is in no git repository"),
    ):
        refused = plan(place, revision)
        assert (refused.exit_code, words in refused.stderr) == (1, True), refused.stderr
        assert refused.stderr.count("\n") == 1
