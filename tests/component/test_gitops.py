"""The example of a policy repository: a valid policy, owners for all of it, pipelines that run."""

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import click
import pytest
import yaml
from click.testing import CliRunner

from leasehold.bundle import UnixMatch
from leasehold.cli.main import cli
from leasehold.engines.catalog import installed_engine_types
from leasehold.policy.load import load
from leasehold.policy.sources import sources

EXAMPLE = Path(__file__).parents[2] / "examples" / "gitops"
POLICIES = EXAMPLE / "policies"
PIPELINES = (".github/workflows/policy.yml", ".gitlab-ci.yml")


def texts(value: Any) -> Iterator[str]:
    """Every text in a pipeline, line by line."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)
    elif isinstance(value, str):
        yield from value.splitlines()


def steps(pipeline: str) -> list[str]:
    return list(texts(yaml.safe_load((EXAMPLE / pipeline).read_text())))


def commands(pipeline: str) -> list[list[str]]:
    """The arguments of every call of leasehold, without what belongs to the shell."""
    found = []
    for line in steps(pipeline):
        words = shlex.split(line) if line.startswith("leasehold ") else []
        ends = [at for at, word in enumerate(words) if word in (">", "|", "&&")]
        if words:
            found.append(words[1 : ends[0]] if ends else words[1:])
    return found


def test_the_policy_is_valid_and_its_claims_hold() -> None:
    loaded = load(sources(POLICIES), installed_engine_types(), lambda _: UnixMatch(uid=1), {})
    assert [problem.line() for problem in (*loaded.problems, *loaded.warnings)] == []
    assert loaded.bundle is not None
    assert len(loaded.bundle.tests) >= 10
    assert {grant.source.split("/")[0] for grant in loaded.bundle.grants} >= {
        "payments",
        "platform",
        "reporting",
    }


def test_a_team_that_reaches_for_anothers_data_breaks_a_claim() -> None:
    """What the security team claims holds against a change in another team's folder."""
    files = dict(sources(POLICIES))
    file = "payments/billing.yaml"
    files[file] = files[file].replace(
        b"paths: [database/creds/billing]", b"paths: [database/creds/*]"
    )
    loaded = load(files.items(), installed_engine_types(), lambda _: UnixMatch(uid=1), {})
    lines = [problem.line() for problem in loaded.problems]
    assert any(line.startswith("security/tests.yaml:") for line in lines)
    assert all("expects deny, but payments/billing.yaml" in line for line in lines)


def test_every_file_has_an_owner_and_every_owner_a_file() -> None:
    lines = (EXAMPLE / "CODEOWNERS").read_text().splitlines()
    rules = [line.split() for line in lines if line and not line.startswith("#")]
    assert rules[0][0] == "*"
    for pattern, *owners in rules:
        assert owners
        assert all(owner.startswith("@") for owner in owners)
        assert pattern == "*" or (EXAMPLE / pattern.strip("/")).exists(), pattern
    teams = {pattern for pattern, *_ in rules if pattern.startswith("/policies/")}
    folders = {f"/policies/{folder.name}/" for folder in POLICIES.iterdir() if folder.is_dir()}
    assert folders - teams == {"/policies/platform/"}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_command_of_a_pipeline_is_one_of_ours(pipeline: str) -> None:
    asked = commands(pipeline)
    assert [words[0] for words in asked] == ["validate", "plan"]
    for name, *arguments in asked:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        command.make_context(name, arguments)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_commands_of_a_pipeline_work_on_the_example(
    pipeline: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a runner: the change in `policies`, the state before it in `.base`."""
    for place, ttl in (("policies", b"max_ttl: 4h"), (".base/policies", b"max_ttl: 3h")):
        for name, data in sources(POLICIES):
            file = tmp_path / place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data.replace(b"max_ttl: 4h", ttl).replace(b"ttl: 4h", ttl[4:]))
    monkeypatch.chdir(tmp_path)
    validate, plan = [CliRunner().invoke(cli, words) for words in commands(pipeline)]
    assert validate.exit_code == 0, validate.stderr
    assert "\ntests: 14 passed\n" in validate.stdout
    assert plan.exit_code == 0, plan.stderr
    made = json.loads(plan.stdout)
    assert {each["identity"] for each in made["access_delta"]["gained"]} == {"analysts", "reports"}
    assert made["checksum"] in (tmp_path / "plan.md").read_text()


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_pipeline_takes_the_policy_before_from_git_and_names_no_address(pipeline: str) -> None:
    text = (EXAMPLE / pipeline).read_text()
    assert "://" not in text
    [taken] = [line for line in steps(pipeline) if line.startswith("git archive ")]
    assert taken.endswith(" policies | tar -x -C .base")
    assert "mkdir .base" in steps(pipeline)


def test_github_lets_the_pipeline_read_and_comment_and_nothing_else() -> None:
    workflow = yaml.safe_load((EXAMPLE / PIPELINES[0]).read_text())
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    # `on` is true to YAML 1.1. A workflow on `pull_request_target` would hold a token for forks.
    assert list(workflow[True]) == ["pull_request"]


class GitLab(BaseHTTPRequestHandler):
    """As much of GitLab as a comment needs; 150 other comments stand before ours."""

    notes: ClassVar[list[dict[str, Any]]] = []

    def do_GET(self) -> None:
        page = int(self.path.rpartition("page=")[2])
        self.answer(self.notes[100 * (page - 1) : 100 * page])

    def do_POST(self) -> None:
        self.notes.append({"id": 1000 + len(self.notes), "body": self.body()})
        self.answer(self.notes[-1])

    def do_PUT(self) -> None:
        [note] = [each for each in self.notes if each["id"] == int(self.path.rpartition("/")[2])]
        note["body"] = self.body()
        self.answer(note)

    def body(self) -> str:
        assert self.headers["PRIVATE-TOKEN"] == "t0ken"
        assert self.path.startswith("/api/v4/projects/7/merge_requests/12/notes")
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]

    def answer(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gitlab() -> Iterator[ThreadingHTTPServer]:
    GitLab.notes[:] = [{"id": n, "body": f"comment {n}"} for n in range(150)]
    server = ThreadingHTTPServer(("127.0.0.1", 0), GitLab)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def comment(folder: Path, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLE / "ci" / "comment.py", "plan.md"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout


def test_one_comment_is_made_and_then_brought_up_to_date(
    tmp_path: Path, gitlab: ThreadingHTTPServer
) -> None:
    variables = {
        "LEASEHOLD_COMMENT_TOKEN": "t0ken",
        "CI_API_V4_URL": f"http://127.0.0.1:{gitlab.server_port}/api/v4",
        "CI_PROJECT_ID": "7",
        "CI_MERGE_REQUEST_IID": "12",
    }
    for plan in ("first plan\n", "second plan\n"):
        (tmp_path / "plan.md").write_text(plan)
        assert comment(tmp_path, **variables) == ""
        [ours] = [note for note in GitLab.notes if note["id"] >= 1000]
        assert ours["body"] == f"<!-- leasehold plan -->\n{plan}"


def test_without_a_token_the_plan_stands_in_the_log(tmp_path: Path) -> None:
    assert "there is no plan" in comment(tmp_path)
    (tmp_path / "plan.md").write_text("the plan\n")
    assert comment(tmp_path).endswith("the plan\n")
