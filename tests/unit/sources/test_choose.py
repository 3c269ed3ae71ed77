"""Which source the settings name, and what is missing for it."""

from dataclasses import replace
from pathlib import Path

import pytest

from leasehold.errors import ConfigError
from leasehold.settings import Settings
from leasehold.sources.choose import source_for
from leasehold.sources.directory import DirectorySource
from leasehold.sources.git import GitSource

SETTINGS = Settings(
    policies="/policies",
    state_dir=Path("/state"),
    socket=Path("/leasehold.sock"),
    key_file=Path("/state/key"),
)


def refusal(**given: object) -> str:
    with pytest.raises(ConfigError) as refused:
        source_for(replace(SETTINGS, **given))
    return str(refused.value)


def test_a_path_is_a_directory_and_an_address_is_git() -> None:
    directory = source_for(SETTINGS)
    assert (type(directory), directory.location) == (DirectorySource, "/policies")
    address = "git+file:///policy.git?every=5m#main"
    git = source_for(replace(SETTINGS, policies=address))
    assert (type(git), git.location) == (GitSource, address)


def test_a_broken_address_is_one_line() -> None:
    assert refusal(policies="git+file:///policy.git") == (
        "policies: names no branch; add it at the end, as in git+https://host/policy.git#main"
    )


def test_ssh_needs_a_key() -> None:
    line = refusal(policies="git+ssh://git@host/policy.git#main")
    assert line == "policies: git+ssh needs a key; set git_ssh_key_file"


@pytest.mark.parametrize("token", ["hunter2", "file:hunter2", "exec:hunter2"])
def test_a_token_is_a_reference_and_is_not_shown(token: str) -> None:
    line = refusal(policies="git+https://host/policy.git#main", git_token=token)
    assert line.startswith("git_token: ")
    assert "hunter2" not in line
