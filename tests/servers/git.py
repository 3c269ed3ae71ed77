"""Real git repositories and the keys that sign their commits, in folders of their own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from leasehold.settings import Settings

NOBODY = 65_534
_PERSON = {
    f"GIT_{role}_{what}": text
    for role in ("AUTHOR", "COMMITTER")
    for what, text in {
        "NAME": "Ada",
        "EMAIL": "ada@example.com",
        "DATE": "2026-11-24T08:00:00+0100",
    }.items()
}
_GPG_KEY = """\
%no-protection
Key-Type: eddsa
Key-Curve: ed25519
Name-Real: Grace
Name-Email: grace@example.com
Expire-Date: 0
%commit
"""


class Repository:
    """A repository with a work tree; `main` is its branch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def url(self, options: str = "?every=1s") -> str:
        return f"git+file://{self.folder}{options}#main"

    def git(self, *arguments: str, **environment: str) -> str:
        command = ["git", "-C", str(self.folder), *arguments]
        ended = subprocess.run(
            command,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "GIT_CONFIG_NOSYSTEM": "1",
                **_PERSON,
                **environment,
            },
            umask=0o022,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(
        self,
        files: Mapping[str, str | bytes],
        *options: str,
        ssh_key: Path | None = None,
        gpg_home: Path | None = None,
    ) -> str:
        """Write the files and commit all there is; returns the hash."""
        self.write(files)
        self.git("add", "--all")
        before: tuple[str, ...] = ()
        environment: dict[str, str] = {}
        if ssh_key is not None:
            before = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={ssh_key}")
            options += ("--gpg-sign",)
        if gpg_home is not None:
            environment["GNUPGHOME"] = str(gpg_home)
            options += ("--gpg-sign=grace@example.com",)
        message = ("--allow-empty", "--quiet", "--message=change")
        self.git(*before, "commit", *message, *options, **environment)
        return self.git("rev-parse", "HEAD")


def ssh_key(file: Path) -> Path:
    """A new key without a passphrase; its public half stands beside it."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file)]
    subprocess.run(command, check=True)
    return file


def allow_signers(file: Path, **keys: Path) -> Path:
    """Write a file that allows each key under its name."""
    lines = [
        f"{name}@example.com {key.with_suffix('.pub').read_text()}" for name, key in keys.items()
    ]
    file.write_text("".join(lines))
    file.chmod(0o644)
    return file


def settings_for(folder: Path, policies: str, **given: object) -> Settings:
    """Settings of a daemon whose state stands in `folder`."""
    state = folder / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    return Settings(
        policies=policies,
        state_dir=state,
        socket=folder / "leasehold.sock",
        key_file=state / "key",
        **given,
    )


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def gpg_homes() -> Iterator[tuple[Path, Path]]:
    """Where a private key signs, and where only its public half is known."""
    top = Path(tempfile.mkdtemp(prefix="lhgpg"))  # short, since a socket stands in it
    homes = top / "private", top / "public"
    for home in homes:
        home.mkdir(mode=0o700)
    gpg(homes[0], "--generate-key", feed=_GPG_KEY.encode())
    gpg(homes[1], "--import", feed=gpg(homes[0], "--export"))
    yield homes
    for home in homes:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    shutil.rmtree(top, ignore_errors=True)


def gpg(home: Path, *arguments: str, feed: bytes = b"") -> bytes:
    command = ["gpg", "--homedir", str(home), "--quiet", "--batch", *arguments]
    return subprocess.run(command, input=feed, check=True, capture_output=True).stdout
