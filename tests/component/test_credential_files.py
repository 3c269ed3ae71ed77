"""Files of a credential become another one's in one step."""

import os
from pathlib import Path

import pytest

from leasehold.cli.credential_files import CredentialFiles, credential_files

ONE = {"username": "ann", "password": "one"}
TWO = {"username": "bob", "password": "two"}


def found(folder: int | Path) -> dict[str, str]:
    names = os.listdir(folder)
    if isinstance(folder, Path):
        return {name: (folder / name).read_text() for name in names}
    return {name: os.read(os.open(name, os.O_RDONLY, dir_fd=folder), 99).decode() for name in names}


def test_whoever_opened_the_directory_reads_what_belongs_together(tmp_path: Path) -> None:
    files = CredentialFiles(tmp_path)
    files.write(ONE)
    opened = os.open(files.path, os.O_RDONLY | os.O_DIRECTORY)
    files.write(TWO)
    assert found(opened) == ONE
    assert found(files.path) == TWO
    os.close(opened)


def test_only_the_last_two_are_kept(tmp_path: Path) -> None:
    files = CredentialFiles(tmp_path)
    for number in range(5):
        files.write({"password": str(number)})
    texts = {file.read_text() for file in tmp_path.glob("*/password")}
    assert texts == {"3", "4"}


def test_a_field_that_is_gone_leaves_no_file(tmp_path: Path) -> None:
    files = CredentialFiles(tmp_path)
    files.write(ONE)
    files.write({"token": "three"})
    assert found(files.path) == {"token": "three"}


def test_nothing_is_left_behind_the_block(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with credential_files() as files:
        files.write(ONE)
        assert files.path.resolve().is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []
