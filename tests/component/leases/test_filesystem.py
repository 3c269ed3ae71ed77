"""What kind of filesystem the state directory is on."""

from pathlib import Path

from leasehold.leases.sqlite_files import filesystem


def test_a_mount_whose_name_is_no_text_hinders_nobody(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_bytes(b"x /mnt/\xff\x0b9p tmpfs rw 0 0\nx / ext4 rw 0 0\n")
    assert filesystem(tmp_path, mounts) == "ext4"
