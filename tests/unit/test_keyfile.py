import base64
import os
import stat
import subprocess
from pathlib import Path

import pytest

from leasehold.errors import ConfigError
from leasehold.keys.keyfile import Key, load_or_create

TEXT = base64.b64encode(bytes(range(32)))


def key_file(folder: Path, content: bytes = TEXT, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refusal(path: Path, *, may_create: bool = True) -> str:
    with pytest.raises(ConfigError) as caught:
        load_or_create(path, may_create=may_create)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_first_start_makes_a_key_for_the_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = load_or_create(tmp_path / "key", may_create=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert load_or_create(tmp_path / "key", may_create=False) == made


def test_no_two_keys_are_alike(tmp_path: Path) -> None:
    made = [load_or_create(tmp_path / str(n), may_create=True) for n in range(20)]
    assert len({key.value for key in made}) == len({key.id for key in made}) == 20


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620, 0o601])
def test_a_key_that_others_may_reach_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, mode: int
) -> None:
    path = key_file(tmp_path, mode=mode)
    assert f"mode {mode:04o}; run chmod 0600 {path}" in refusal(path)
    subprocess.run(["chmod", "0600", path], check=True)
    load_or_create(path, may_create=False)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(key_file(tmp_path))
    assert "cannot read the key" in refusal(tmp_path / "link")


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    refusal(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_a_missing_key_beside_a_store_is_an_error_and_not_a_reason_for_a_new_one(
    tmp_path: Path,
) -> None:
    assert "restore the key" in refusal(tmp_path / "key", may_create=False)
    assert not (tmp_path / "key").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    os.chown(path, 65_534, 65_534)
    assert "belongs to uid 65534" in refusal(path)


@pytest.mark.timeout(10)
def test_a_pipe_and_a_directory_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    for name in ("pipe", "folder"):
        assert "is not a regular file" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        b"\n",
        TEXT[:-4],
        TEXT + TEXT,
        b"!" * 44,
        bytes(range(224, 256)),
        "schlüssel".encode(),
        b"A" * 300,
    ],
    ids=["blank", "short", "long", "no base64", "binary", "not ASCII", "huge"],
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "not a key; it must be 32 bytes in base64" in refusal(key_file(tmp_path, content))


def test_a_disk_that_fails_is_told(tmp_path: Path) -> None:
    """Memory that nobody has mapped gives whoever reads it an input/output error."""
    said = refusal(Path("/proc/self/mem"), may_create=False)
    assert "cannot read the key (Input/output error)" in said


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nowhere" / "key")


def test_a_key_does_not_show_itself(tmp_path: Path) -> None:
    key = load_or_create(key_file(tmp_path), may_create=False)
    shown = repr(key) + str(key) + f"{key}"
    assert repr(key.value) not in shown
    assert key.value.hex() not in shown
    assert TEXT.decode() not in shown


def test_keys_for_different_purposes_have_nothing_in_common() -> None:
    key = Key(id="i", value=bytes(32))
    purposes = ("row mac", "audit chain", "account tag", "recipe id")
    assert len({key.derive(purpose) for purpose in purposes} | {key.value}) == 5
    assert key.derive("row mac") == key.derive("row mac")


def test_an_empty_file_left_by_a_power_cut_is_no_key_and_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    with pytest.raises(ConfigError, match="not a key"):
        load_or_create(path, may_create=False)
    made = load_or_create(path, may_create=True)
    assert load_or_create(path, may_create=False) == made
