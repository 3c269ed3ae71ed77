"""What is refused of a policy in git: what a commit may not hold, and whose hand is in it."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leasehold.errors import ConfigError
from leasehold.sources.choose import source_for
from leasehold.sources.git import GitSource
from leasehold.sources.source import Source
from servers.git import NOBODY, Repository, allow_signers, settings_for, ssh_key

FILES = {"engines.yaml": "engines: {}\n"}
MIB = 1 << 20


async def refusal(source: Source) -> str:
    with pytest.raises(ConfigError) as refused:
        await source.read()
    line = str(refused.value)
    assert line.startswith(f"{source.location}: ")
    assert "\n" not in line
    return line


@pytest.fixture
def source(tmp_path: Path, repository: Repository) -> GitSource:
    repository.commit(FILES)
    made = source_for(settings_for(tmp_path, repository.url()))
    assert isinstance(made, GitSource)
    return made


@pytest.mark.parametrize("name", ["roles.yaml", "teams", "README"])
async def test_a_link_is_refused(source: GitSource, repository: Repository, name: str) -> None:
    (repository.folder / "deep").mkdir()
    (repository.folder / "deep" / name).symlink_to("/etc/passwd")
    repository.commit({})
    assert f"deep/{name}: is a link, which is not followed in git" in await refusal(source)


async def test_a_submodule_is_refused(
    source: GitSource, repository: Repository, tmp_path: Path
) -> None:
    other = Repository(tmp_path / "other")
    other.commit(FILES)
    allow = ("-c", "protocol.file.allow=always")
    repository.git(*allow, "submodule", "--quiet", "add", str(other.folder), "teams")
    repository.commit({})
    assert "teams: is a submodule, which is not read" in await refusal(source)


async def test_what_is_aside_may_be_anything(source: GitSource, repository: Repository) -> None:
    (repository.folder / ".hidden").symlink_to("/etc")
    (repository.folder / "bad").mkdir()
    (repository.folder / "bad" / "link.yaml").symlink_to("/etc/passwd")
    repository.commit({".github/huge.yaml": bytes(2 * MIB), "logo.png": bytes(2 * MIB)})
    assert dict((await source.read()).files) == {"engines.yaml": b"engines: {}\n"}


async def test_a_file_of_a_mebibyte_is_read_and_a_longer_one_is_not(
    source: GitSource, repository: Repository
) -> None:
    repository.commit({"large.yaml": bytes(MIB)})
    assert dict((await source.read()).files)["large.yaml"] == bytes(MIB)
    repository.commit({"large.yaml": bytes(MIB + 1)})
    assert f"large.yaml: is longer than {MIB} bytes; split the file" in await refusal(source)


async def test_too_much_in_all_is_refused(source: GitSource, repository: Repository) -> None:
    repository.commit({f"{number}.yaml": bytes(MIB) for number in range(17)})
    assert f"hold more than {16 * MIB} bytes in all" in await refusal(source)


async def test_too_many_files_are_refused(source: GitSource, repository: Repository) -> None:
    repository.commit({f"{number}.yaml": "" for number in range(10_000)})
    assert "holds 10001 policy files; at most 10000 are read" in await refusal(source)


async def test_a_file_whose_name_would_forge_a_line_is_refused(
    source: GitSource, repository: Repository
) -> None:
    repository.commit({"a\nforged: all is well.yaml": ""})
    assert "a?forged: all is well.yaml: the name holds" in await refusal(source)


async def test_a_commit_without_policy_is_refused(
    source: GitSource, repository: Repository
) -> None:
    repository.git("rm", "--quiet", "engines.yaml")
    repository.commit({"README.md": "nothing else"})
    assert "holds no policy; it needs a file such as roles.yaml" in await refusal(source)


@pytest.mark.parametrize("path", ["nowhere", "engines.yaml", "engines.yaml/x"])
async def test_a_folder_that_is_not_there_is_named(
    source: GitSource, repository: Repository, tmp_path: Path, path: str
) -> None:
    wrong = source_for(settings_for(tmp_path, repository.url(f"?path={path}")))
    assert f"has no folder {path}; mend path= in the address" in await refusal(wrong)


async def test_a_damaged_mirror_is_told_and_can_be_removed(
    source: GitSource, repository: Repository, tmp_path: Path
) -> None:
    await source.read()
    mirror = tmp_path / "state" / "policy.git"
    for file in (mirror / "objects").rglob("*"):
        if file.is_file():
            file.chmod(0o600)
            file.write_bytes(b"rot")
    assert str(mirror) in await refusal(source)
    shutil.rmtree(mirror)
    assert len((await source.read()).files) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("place", ["", ".git", ".git/config", ".git/refs/heads/main"])
async def test_a_repository_in_which_another_user_has_a_hand_is_refused(
    source: GitSource, repository: Repository, place: str
) -> None:
    os.chown(repository.folder / place, NOBODY, -1)
    assert f"belongs to uid {NOBODY}, not to root or us; chown it" in await refusal(source)


@pytest.mark.parametrize("place", ["", ".git", ".git/HEAD", ".git/refs/heads"])
async def test_a_repository_that_others_may_write_is_refused(
    source: GitSource, repository: Repository, place: str
) -> None:
    changed = repository.folder / place
    changed.chmod(changed.stat().st_mode | 0o020)
    assert f"run chmod go-w {changed}" in await refusal(source)


async def test_a_repository_that_stands_elsewhere_is_refused(
    source: GitSource, repository: Repository
) -> None:
    inner = repository.folder / ".git"
    inner.rename(repository.folder / "elsewhere")
    inner.symlink_to("elsewhere")
    assert "links elsewhere; name the repository that it leads to" in await refusal(source)
    inner.unlink()
    inner.write_text("gitdir: elsewhere\n")
    assert "is no git repository" in await refusal(source)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_repository_of_root_is_served_by_another_user(public: Path) -> None:
    repository = Repository(public / "repository")
    repository.commit(FILES)
    source = source_for(settings_for(public, repository.url()))
    os.chown(public / "state", NOBODY, NOBODY)
    expected = tuple((name, text.encode()) for name, text in FILES.items())
    assert as_nobody(lambda: asyncio.run(source.read()).files) == str(expected)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users reach."""
    folder = Path(tempfile.mkdtemp(prefix="lhgit"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_nobody(work: Callable[[], object]) -> str:
    """What a process of another user makes of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, str(work()).encode())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as answer:
        return answer.read()


async def test_a_good_signature_by_ssh_passes_and_names_its_signer(
    repository: Repository, tmp_path: Path
) -> None:
    key = ssh_key(tmp_path / "ada")
    signers = allow_signers(tmp_path / "signers", ada=key)
    repository.commit(FILES, ssh_key=key)
    source = source_for(settings_for(tmp_path, repository.url(), allowed_signers=signers))
    assert (await source.read()).origin.signer == "ada@example.com"


async def test_a_good_signature_by_gpg_passes_and_names_its_signer(
    repository: Repository, tmp_path: Path, gpg_homes: tuple[Path, Path]
) -> None:
    private, public = gpg_homes
    repository.commit(FILES, gpg_home=private)
    source = source_for(settings_for(tmp_path, repository.url(), gpg_home=public))
    assert (await source.read()).origin.signer == "Grace <grace@example.com>"


async def test_an_unsigned_commit_is_refused(repository: Repository, tmp_path: Path) -> None:
    signers = allow_signers(tmp_path / "signers", ada=ssh_key(tmp_path / "ada"))
    commit = repository.commit(FILES)
    source = source_for(settings_for(tmp_path, repository.url(), allowed_signers=signers))
    assert f"commit {commit} is not signed; sign it (git commit -S)" in await refusal(source)


async def test_a_signer_who_is_not_allowed_is_refused(
    repository: Repository, tmp_path: Path
) -> None:
    signers = allow_signers(tmp_path / "signers", ada=ssh_key(tmp_path / "ada"))
    commit = repository.commit(FILES, ssh_key=ssh_key(tmp_path / "eve"))
    source = source_for(settings_for(tmp_path, repository.url(), allowed_signers=signers))
    line = await refusal(source)
    assert f"commit {commit} has no good signature of a key in allowed_signers" in line


async def test_a_signature_of_the_other_kind_is_none(
    repository: Repository, tmp_path: Path, gpg_homes: tuple[Path, Path]
) -> None:
    private, public = gpg_homes
    key = ssh_key(tmp_path / "ada")
    signers = allow_signers(tmp_path / "signers", ada=key)
    repository.commit(FILES, gpg_home=private)
    by_ssh = source_for(settings_for(tmp_path, repository.url(), allowed_signers=signers))
    assert "no good signature of a key in allowed_signers" in await refusal(by_ssh)
    repository.commit(FILES, ssh_key=key)
    by_gpg = source_for(settings_for(tmp_path, repository.url(), gpg_home=public))
    assert "no good signature of a key in gpg_home" in await refusal(by_gpg)
    both = settings_for(tmp_path, repository.url(), gpg_home=public, allowed_signers=signers)
    assert (await source_for(both).read()).origin.signer == "ada@example.com"


async def test_a_signature_taken_from_another_commit_is_refused(
    repository: Repository, tmp_path: Path
) -> None:
    key = ssh_key(tmp_path / "ada")
    signers = allow_signers(tmp_path / "signers", ada=key)
    repository.commit(FILES, ssh_key=key)
    signed = repository.git("cat-file", "commit", "HEAD")
    repository.write({"engines.yaml": "forged: {}\n"})
    repository.git("add", "--all")
    tree = repository.git("write-tree")
    forged = "\n".join([f"tree {tree}", *signed.splitlines()[1:]]) + "\n"
    (tmp_path / "forged").write_text(forged)
    commit = repository.git("hash-object", "-t", "commit", "-w", str(tmp_path / "forged"))
    repository.git("update-ref", "refs/heads/main", commit)
    source = source_for(settings_for(tmp_path, repository.url(), allowed_signers=signers))
    assert f"commit {commit} has no good signature" in await refusal(source)


async def test_keys_that_others_may_write_or_that_are_gone_prove_nothing(
    repository: Repository, tmp_path: Path
) -> None:
    key = ssh_key(tmp_path / "ada")
    signers = allow_signers(tmp_path / "signers", ada=key)
    repository.commit(FILES, ssh_key=key)
    source = source_for(settings_for(tmp_path, repository.url(), allowed_signers=signers))
    signers.chmod(0o666)
    assert f"run chmod go-w {signers}" in await refusal(source)
    signers.unlink()
    assert (
        f"allowed_signers: {signers} cannot be read (No such file or directory)"
        in await refusal(source)
    )
