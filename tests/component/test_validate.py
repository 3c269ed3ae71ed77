"""`leasehold validate` as people run it: lines on stderr, a table or JSON, an exit code."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from leasehold.cli.main import cli
from leasehold.policy.problems import Place, Problem

POLICIES = Path(__file__).parents[2] / "policies"
EXPECTED = sorted((POLICIES / "bad").glob("*.expected"))
ENGINE = """\
engines:
  main:
    type: postgresql
    mount: database
    connection: {url: "postgresql://db.internal/app", username: leasehold, password: "env:X"}
"""


def validate(path: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["validate", str(path), *options], catch_exceptions=False)


def policy(folder: Path, text: str) -> Path:
    (folder / "policy.yaml").write_text(ENGINE + text)
    return folder


def bad(expected: Path) -> Path:
    """The file or the directory that must print what stands beside it."""
    file = expected.with_suffix(".yaml")
    return file if file.is_file() else expected.with_suffix("")


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: path.stem)
def test_a_bad_policy_prints_exactly_its_lines(expected: Path) -> None:
    result = validate(bad(expected))
    assert result.exit_code == 6
    assert result.stderr.splitlines() == expected.read_text().splitlines()
    assert result.stdout == ""


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: path.stem)
def test_json_agrees_with_the_text(expected: Path) -> None:
    result = validate(bad(expected), "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, found["valid"]) == (6, "", False)
    problems = [
        Problem(Place(each["file"], each["line"], each["column"]), each["path"], each["message"])
        for each in found["problems"]
    ]
    assert [problem.line() for problem in problems] == expected.read_text().splitlines()


def test_every_bad_policy_has_its_lines_and_there_are_many() -> None:
    policies = {path.stem for path in (POLICIES / "bad").iterdir() if path.suffix != ".expected"}
    assert policies - {".gitattributes"} == {path.stem for path in EXPECTED}
    assert len(EXPECTED) >= 30


def test_no_line_shows_a_secret() -> None:
    shown = "".join(path.read_text() for path in EXPECTED)
    assert "correct-horse" not in shown
    assert "correct-horse" in "".join(
        path.read_text() for path in (POLICIES / "bad").glob("*password*.yaml")
    )


def test_the_policy_of_the_demo_is_valid() -> None:
    result = validate(POLICIES)
    assert (result.exit_code, result.stderr) == (0, "")
    first, *table = result.stdout.splitlines()
    assert first.startswith("valid: 1 engine, 3 roles, 1 identity, ")
    assert [row.split()[0] for row in table] == [
        "ROLE",
        "database/creds/app-readonly",
        "database/creds/app-readwrite",
        "database/creds/reports",
    ]


def test_the_limits_that_hold_are_shown_with_who_said_so(tmp_path: Path) -> None:
    policy(
        tmp_path,
        "roles:\n"
        "  main/a: {member_of: [g], default_ttl: 10m, max_ttl: 90m, max_leases: 5}\n"
        "  main/b: {member_of: [g], max_ttl: 10m}\n"
        "  main/c: {member_of: [g]}\n"
        "lease_limits:\n"
        "  database: {max_ttl: 36h}\n",
    )
    rows = [" ".join(row.split()) for row in validate(tmp_path).stdout.splitlines()[2:]]
    assert rows == [
        "database/creds/a 10m (role) 1h30m (role) 5 (role)",
        "database/creds/b 10m (role) 10m (role) no limit (built in)",
        "database/creds/c 1h (built in) 1d12h (mount) no limit (built in)",
    ]
    [_, _, last] = json.loads(validate(tmp_path, "--json").stdout)["roles"]
    assert last == {
        "path": "database/creds/c",
        "engine": "main",
        "default_ttl": 3600,
        "default_ttl_from": "built in",
        "max_ttl": 129600,
        "max_ttl_from": "mount",
        "max_leases": None,
        "max_leases_from": "built in",
    }


def test_faults_of_all_files_are_told_at_once_in_the_order_of_files_and_lines() -> None:
    lines = validate(POLICIES / "bad" / "several-faults").stderr.splitlines()
    places = [line.split(":")[:3] for line in lines]
    assert len({file for file, *_ in places}) == 4
    assert places == sorted(places, key=lambda place: (place[0], int(place[1]), int(place[2])))


def test_what_will_hurt_is_a_warning_and_no_failure(tmp_path: Path) -> None:
    policy(
        tmp_path,
        "roles:\n"
        "  main/a:\n"
        "    creation_statements:\n"
        "      - CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'\n"
        '      - GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{{name}}"\n',
    )
    result = validate(tmp_path)
    assert result.exit_code == 0
    assert result.stdout.startswith("valid: 1 engine, 1 role, 0 identities, 0 access rules\n")
    start = "policy.yaml:8:5: warning: roles.main/a.creation_statements: "
    full, unbounded = result.stderr.splitlines()
    assert full.startswith(f"{start}GRANT on tables to each account")
    assert "SQLSTATE 54000" in full
    assert unbounded.startswith(f"{start}set no VALID UNTIL")
    found = json.loads(validate(tmp_path, "--json").stdout)
    assert [warning["line"] for warning in found["warnings"]] == [8, 8]


def test_a_user_that_this_host_lacks_is_a_warning_since_another_may_have_it(
    tmp_path: Path,
) -> None:
    text = "identities: {a: {owner: o, tenant: t, match: [{unix: {user: no-such-user-qqq}}]}}"
    done = validate(policy(tmp_path, text))
    assert done.exit_code == 0
    assert "this host has no user no-such-user-qqq, so here it matches nobody" in done.stderr


def test_a_single_file_is_a_policy_too(tmp_path: Path) -> None:
    result = validate(policy(tmp_path, "") / "policy.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "valid: 1 engine, 0 roles, 0 identities, 0 access rules\n"


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_missing_directory_is_one_line(tmp_path: Path, options: tuple[str, ...]) -> None:
    result = validate(tmp_path / "none", *options)
    assert (result.exit_code, result.stdout) == (1, "")
    line = f"leasehold: {tmp_path / 'none'}: no such policy directory or file\n"
    assert result.stderr == line


def test_a_directory_without_policy_says_what_it_needs(tmp_path: Path) -> None:
    result = validate(tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "holds no policy" in result.stderr


def test_a_thousand_roles_are_checked(tmp_path: Path) -> None:
    count = 1000
    roles = "".join(f"  main/r{number}: {{member_of: [g{number}]}}\n" for number in range(count))
    result = validate(policy(tmp_path, f"roles:\n{roles}"))
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == count + 2
