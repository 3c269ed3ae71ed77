"""References are resolved from where secrets stand, and a failure never tells one."""

import asyncio
import os
from pathlib import Path

import pytest

from leasehold.bundle import Reference
from leasehold.errors import ConfigError
from leasehold.policy.references import MAX_BYTES, resolve, resolve_connection
from leasehold.secret import Secret

SECRET = "correct-horse"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o600)
    return file


def found(scheme: str, target: str) -> Secret:
    return asyncio.run(resolve(Reference(scheme, target)))


def refused(scheme: str, target: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        found(scheme, target)
    assert SECRET not in str(refusal.value)
    assert str(refusal.value).startswith(f"{scheme}:{target}: ")
    return str(refusal.value)


def test_each_scheme_leads_to_the_secret(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_SECRET", SECRET)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(kept.parent))
    for scheme, target in (
        ("env", "THE_SECRET"),
        ("file", str(kept)),
        ("systemd", "secret"),
        ("exec", f"/bin/cat '{kept}'"),
    ):
        assert found(scheme, target) == Secret(SECRET), scheme


def test_only_references_of_a_connection_are_resolved(kept: Path) -> None:
    connection = {"host": "db", "port": 5432, "password": Reference("file", str(kept))}
    resolved = asyncio.run(resolve_connection(connection))
    assert resolved == {"host": "db", "port": 5432, "password": Secret(SECRET)}


def test_one_newline_at_the_end_is_not_part_of_the_secret(kept: Path) -> None:
    kept.write_text(f" {SECRET}\n\n")
    assert found("file", str(kept)) == Secret(f" {SECRET}\n")


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o601])
def test_a_file_that_others_can_touch_is_refused(kept: Path, mode: int) -> None:
    kept.chmod(mode)
    assert f"has mode {mode:04o}; run chmod 0600 {kept}" in refused("file", str(kept))


def test_what_is_no_good_file_is_refused(kept: Path) -> None:
    os.mkfifo(kept.with_name("pipe"), 0o600)
    assert "not a regular file" in refused("file", str(kept.with_name("pipe")))
    assert "No such file" in refused("file", str(kept.with_name("none")))
    kept.write_text("")
    assert "is empty" in refused("file", str(kept))
    kept.write_bytes(SECRET.encode() + b"\xff")
    assert "UTF-8" in refused("file", str(kept))
    kept.write_text(SECRET * MAX_BYTES)
    assert "longer than" in refused("file", str(kept))


def test_a_variable_that_is_not_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THE_SECRET", raising=False)
    assert "not set" in refused("env", "THE_SECRET")


def test_without_systemd_the_line_for_the_unit_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "LoadCredential=main:" in refused("systemd", "main")


def test_a_program_that_fails_or_is_missing_is_refused(kept: Path) -> None:
    assert "exit code 3" in refused("exec", f"/bin/sh -c 'cat {kept}; exit 3'")
    assert "cannot be run" in refused("exec", "/no/such/program")
