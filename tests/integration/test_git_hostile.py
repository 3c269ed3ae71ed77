"""Neither a repository, nor its history, nor what surrounds the daemon makes git run anything."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from leasehold.sources.choose import source_for
from leasehold.sources.source import Source
from servers.git import Repository, settings_for

FILES = {"engines.yaml": "engines: {}\n"}
READ = (("engines.yaml", b"engines: {}\n"),)
EVERY_HOOK = ("post-checkout", "post-merge", "reference-transaction", "pre-auto-gc", "fsmonitor")


class Trap:
    """A program that tells when it was run."""

    def __init__(self, folder: Path) -> None:
        self._sprung = folder / "sprung"
        self.program = folder / "trap"
        self.program.write_text(
            f'#!/bin/sh\necho "$0 $*" >> {self._sprung}\ncase "$1" in git) exec "$@"; esac\n'
        )
        self.program.chmod(0o755)

    def sprung(self) -> str:
        return self._sprung.read_text() if self._sprung.exists() else ""

    def config(self) -> dict[str, str]:
        """Every setting of git that names a program which reading might run."""
        program = str(self.program)
        return {
            "uploadpack.packObjectsHook": program,
            "core.fsmonitor": program,
            "core.hooksPath": str(self.program.parent / "hooks"),
            "core.sshCommand": program,
            "core.gitProxy": program,
            "core.alternateRefsCommand": program,
            "core.pager": program,
            "core.editor": program,
            "core.askPass": program,
            "credential.helper": f"!{program}",
            "diff.external": program,
            "diff.trap.textconv": program,
            "filter.trap.smudge": program,
            "filter.trap.clean": program,
            "filter.trap.process": program,
            "gpg.program": program,
            "gpg.ssh.program": program,
            "gc.auto": "1",
            "protocol.ext.allow": "always",
        }


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    made = Trap(tmp_path)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in EVERY_HOOK:
        (hooks / name).symlink_to(made.program)
    return made


async def read_often(source: Source, advance: Callable[[str], object]) -> None:
    """All that a daemon does with a source, with something new in between."""
    for number in "012":
        snapshot = await source.read()
        assert snapshot.files == READ
        await source.accepted(snapshot.origin)
        advance(number)
        await source.changed()


def clone(repository: Repository, into: Path, **environment: str) -> None:
    """As a person would do it, who trusts the configuration."""
    command = ["git", "clone", "--quiet", f"file://{repository.folder}", str(into)]
    subprocess.run(command, env={"PATH": "/usr/bin:/bin", **environment}, check=True)


async def test_the_configuration_and_hooks_of_a_repository_have_no_effect(
    repository: Repository, tmp_path: Path, trap: Trap
) -> None:
    repository.commit({**FILES, ".gitattributes": "* filter=trap diff=trap\n"})
    later = {number: repository.commit({"note.txt": number}) for number in "012"}
    repository.git("reset", "--quiet", "--hard", "main~3")
    main = repository.folder / ".git" / "refs" / "heads" / "main"
    for name, value in trap.config().items():
        repository.git("config", name, value)
    for name in EVERY_HOOK:
        hook = repository.folder / ".git" / "hooks" / name
        hook.write_bytes(trap.program.read_bytes())
        hook.chmod(0o755)
    source = source_for(settings_for(tmp_path, repository.url()))
    await read_often(source, lambda number: main.write_text(f"{later[number]}\n"))
    assert trap.sprung() == ""


async def test_the_configuration_of_the_user_has_no_effect(
    repository: Repository, tmp_path: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(FILES)
    home = tmp_path / "home"
    home.mkdir()
    config = home / ".gitconfig"
    for name, value in trap.config().items():
        repository.git("config", "--file", str(config), name, value)
    repository.git("config", "--file", str(config), f"url.{tmp_path}/.insteadOf", "file://")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    source = source_for(settings_for(tmp_path, repository.url()))
    await read_often(source, lambda number: repository.commit({"note.txt": number}))
    assert trap.sprung() == ""


async def test_variables_of_the_daemon_do_not_steer_git(
    repository: Repository, tmp_path: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(FILES)
    for number, (name, value) in enumerate(trap.config().items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(trap.config())))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", shlex.quote(f"core.fsmonitor={trap.program}"))
    for name in ("SSH", "SSH_COMMAND", "ASKPASS", "PAGER", "EDITOR", "EXTERNAL_DIFF"):
        monkeypatch.setenv(f"GIT_{name}", str(trap.program))
    for name in ("DIR", "WORK_TREE", "INDEX_FILE", "OBJECT_DIRECTORY", "TEMPLATE_DIR", "TRACE"):
        monkeypatch.setenv(f"GIT_{name}", str(tmp_path / "elsewhere"))
    source = source_for(settings_for(tmp_path, repository.url()))
    await read_often(source, lambda number: repository.commit({"note.txt": number}))
    assert trap.sprung() == ""
    assert not (tmp_path / "elsewhere").exists()


def test_the_trap_springs_for_who_trusts_a_configuration(
    repository: Repository, tmp_path: Path, trap: Trap
) -> None:
    repository.commit(FILES)
    home = tmp_path / "home"
    home.mkdir()
    for name, value in trap.config().items():
        repository.git("config", "--file", str(home / ".gitconfig"), name, value)
    clone(repository, tmp_path / "clone", HOME=str(home))
    assert "pack-objects" in trap.sprung()
    assert "hooks/" in trap.sprung()


async def test_replaced_objects_are_not_believed(repository: Repository, tmp_path: Path) -> None:
    repository.commit(FILES)
    source = source_for(settings_for(tmp_path, repository.url()))
    first = await source.read()
    mirror = tmp_path / "state" / "policy.git"
    repository.commit({"engines.yaml": "forged: {}\n"})
    forged = repository.git("rev-parse", "HEAD:engines.yaml")
    await source.read()
    real = repository.git("rev-parse", "HEAD~:engines.yaml")
    replace = mirror / "refs" / "replace" / real
    replace.parent.mkdir(parents=True)
    replace.write_text(f"{forged}\n")
    repository.git("reset", "--hard", "--quiet", "HEAD~")
    assert (await source.read()).files == first.files == READ


async def test_malformed_objects_are_not_taken(repository: Repository, tmp_path: Path) -> None:
    repository.commit(FILES)
    blob = bytes.fromhex(repository.git("rev-parse", "HEAD:engines.yaml"))
    entry = b"100644 engines.yaml\0" + blob
    (tmp_path / "tree").write_bytes(entry + entry)  # one name twice
    write = ("hash-object", "--literally", "-w", "-t")
    tree = repository.git(*write, "tree", str(tmp_path / "tree"))
    commit = repository.git("commit-tree", "-m", "twice", tree)
    repository.git("update-ref", "refs/heads/main", commit)
    source = source_for(settings_for(tmp_path, repository.url()))
    with pytest.raises(Exception, match="no sound repository"):
        await source.read()
