"""Which files a policy directory is made of: all that count, none left out silently."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold.errors import ConfigError
from leasehold.policy.sources import check_modes, sources
from leasehold.policy.texts import MAX_BYTES


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "policies"
    made.mkdir(mode=0o755)
    put(made / "roles.yaml", "roles: {}\n")
    return made


def put(file: Path, text: str = "") -> Path:
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o644)
    return file


def names(path: Path) -> list[str]:
    return [name for name, _ in sources(path)]


def test_yaml_files_are_read_in_order_and_in_folders_too(folder: Path) -> None:
    for name in ("z.yml", "teams/payments/a.yaml", "engines.yaml", "README.md", "notes.yaml.bak"):
        put(folder / name, name)
    assert list(sources(folder)) == [
        ("engines.yaml", b"engines.yaml"),
        ("roles.yaml", b"roles: {}\n"),
        ("teams/payments/a.yaml", b"teams/payments/a.yaml"),
        ("z.yml", b"z.yml"),
    ]


def test_what_is_hidden_or_an_example_of_what_is_refused_is_aside(folder: Path) -> None:
    for name in (".git/config.yaml", ".hidden.yaml", "bad/x.yaml", "team/bad/x.yaml"):
        put(folder / name)
    assert names(folder) == ["roles.yaml"]
    assert names(folder / "bad") == ["x.yaml"]


def test_a_mounted_config_map_is_read(folder: Path) -> None:
    put(folder / "..2026_01_01" / "access.yaml", "access: []\n")
    (folder / "..data").symlink_to("..2026_01_01")
    (folder / "access.yaml").symlink_to("..data/access.yaml")
    assert names(folder) == ["access.yaml", "roles.yaml"]
    check_modes(folder)


def test_a_link_out_of_the_directory_is_refused(folder: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere.yaml")
    (folder / "more.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    with pytest.raises(ConfigError, match=r"more\.yaml: links out of the policy directory"):
        names(folder)


def test_what_looks_like_policy_and_cannot_be_read_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe.yaml")
    with pytest.raises(ConfigError, match=r"pipe\.yaml: is not a regular file"):
        names(folder)
    (folder / "pipe.yaml").unlink()
    (folder / "gone.yaml").symlink_to("nowhere.yaml")
    with pytest.raises(ConfigError, match=r"gone\.yaml: is not a regular file"):
        names(folder)


def test_a_linked_directory_is_refused(folder: Path) -> None:
    put(folder / "teams" / "a.yaml")
    (folder / "link").symlink_to("teams")
    with pytest.raises(ConfigError, match="link: links to a directory"):
        names(folder)


def test_no_more_of_a_huge_file_is_read_than_shows_that_it_is_huge(folder: Path) -> None:
    with put(folder / "huge.yaml").open("r+b") as file:
        file.truncate(1 << 33)
    read = dict(sources(folder))
    assert len(read["huge.yaml"]) == MAX_BYTES + 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_not_skipped(folder: Path) -> None:
    put(folder / "teams" / "a.yaml").parent.chmod(0o000)
    with pytest.raises(ConfigError, match=r"teams: cannot be read \(Permission denied\)"):
        names(folder)
    (folder / "teams").chmod(0o755)


@pytest.mark.parametrize("name", ["", "roles.yaml", "teams", "teams/a.yaml"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_policy_that_others_may_write_is_refused_with_the_command(
    folder: Path, name: str, mode: int
) -> None:
    put(folder / "teams" / "a.yaml")
    check_modes(folder)
    place = folder / name
    place.chmod(place.stat().st_mode | mode)
    with pytest.raises(ConfigError, match=f"run chmod go-w {place}"):
        check_modes(folder)


def test_a_link_to_the_directory_hides_no_mode(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    check_modes(tmp_path / "link")
    folder.chmod(0o777)
    with pytest.raises(ConfigError, match="others may write it"):
        check_modes(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_policy_of_another_user_is_refused(folder: Path) -> None:
    os.chown(folder / "roles.yaml", 12_345, -1)
    with pytest.raises(ConfigError, match="belongs to uid 12345"):
        check_modes(folder)
