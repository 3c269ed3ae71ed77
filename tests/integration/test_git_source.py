"""Policy from a git repository: one commit, read as it was committed, and history goes forward."""

import asyncio
import logging
import shutil
from pathlib import Path

import pytest

from leasehold.errors import ConfigError
from leasehold.sources.choose import source_for
from leasehold.sources.directory import DirectorySource
from leasehold.sources.git import GitSource
from leasehold.sources.source import Origin, Snapshot, Source
from servers.git import Repository, settings_for

FILES = {"engines.yaml": "engines: {}\n", "teams/payments/roles.yml": "roles: {}\n"}
WAIT_S = 20.0


def open_source(folder: Path, repository: Repository, options: str = "?every=1s") -> GitSource:
    source = source_for(settings_for(folder, repository.url(options)))
    assert isinstance(source, GitSource)
    return source


async def refusal(source: Source) -> str:
    with pytest.raises(ConfigError) as refused:
        await source.read()
    line = str(refused.value)
    assert line.startswith(f"{source.location}: ")
    assert "\n" not in line
    return line


def served(snapshot: Snapshot) -> dict[str, str]:
    return {name: data.decode() for name, data in snapshot.files}


@pytest.fixture
def source(tmp_path: Path, repository: Repository) -> GitSource:
    repository.commit(FILES)
    return open_source(tmp_path, repository)


async def test_the_commit_is_read_and_the_work_tree_is_not(
    source: GitSource, repository: Repository
) -> None:
    repository.write({"engines.yaml": "half written", "more.yaml": "engines: {}\n"})
    repository.git("add", "more.yaml")
    assert served(await source.read()) == FILES


async def test_the_same_files_are_read_as_of_a_directory(
    source: GitSource, repository: Repository
) -> None:
    more = ("a.yaml", "a-b/c.yaml", "a/b.yaml", "a.yml/x.yaml", "B.yaml", ".github/x.yaml")
    more += ("bad/x.yaml", "t/bad/y.yaml", "t/.z.yaml", "README.md", "bad.yaml", "ü.yaml")
    repository.commit({name: name for name in more})
    files = (await source.read()).files
    assert files == (await DirectorySource(repository.folder).read()).files
    assert "ü.yaml" in dict(files)


async def test_the_origin_says_what_was_read_and_who_made_it(
    source: GitSource, repository: Repository
) -> None:
    assert (await source.read()).origin == Origin(
        kind="git",
        location=repository.url(),
        commit=repository.git("rev-parse", "HEAD"),
        ref="refs/heads/main",
        signer="",
        author="Ada <ada@example.com>",
        committed_at="2026-11-24T07:00:00Z",
    )


async def test_a_name_that_would_forge_lines_is_shown_harmless(
    source: GitSource, repository: Repository
) -> None:
    repository.commit({"a.yaml": "x"}, "--author=Eve\u202eevE <e@example.com>")
    assert (await source.read()).origin.author == "Eve?evE <e@example.com>"


async def test_one_folder_of_a_repository_can_be_served(
    tmp_path: Path, repository: Repository
) -> None:
    (repository.folder / "link.yaml").symlink_to("/etc/passwd")
    repository.commit({**FILES, "z.yaml": "z"})
    source = open_source(tmp_path, repository, "?path=teams/payments")
    assert served(await source.read()) == {"roles.yml": "roles: {}\n"}


async def test_a_tag_in_full_is_served_and_no_tag_takes_the_place_of_a_branch(
    tmp_path: Path, repository: Repository
) -> None:
    repository.commit({"a.yaml": "tagged"})
    repository.git("tag", "--annotate", "--message=t", "main")
    repository.commit({"a.yaml": "branch"})
    settings = settings_for(tmp_path, f"git+file://{repository.folder}#refs/tags/main")
    assert served(await source_for(settings).read()) == {"a.yaml": "tagged"}
    assert served(await open_source(tmp_path, repository).read()) == {"a.yaml": "branch"}


async def test_a_later_commit_is_noticed_and_read(
    source: GitSource, repository: Repository
) -> None:
    await source.accepted((await source.read()).origin)
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        waiting = group.create_task(source.changed())
        await asyncio.sleep(1.5)
        assert not waiting.done()
        repository.commit({"engines.yaml": "later"})
    assert served(await source.read())["engines.yaml"] == "later"


async def test_what_was_refused_is_looked_at_again(
    source: GitSource, repository: Repository, tmp_path: Path
) -> None:
    await source.accepted((await source.read()).origin)
    commit = repository.commit({"engines.yaml": "other"}, "--amend")
    await refusal(source)
    (tmp_path / "state" / "policy.accept").write_text(commit)
    await asyncio.wait_for(source.changed(), WAIT_S)
    assert (await source.read()).origin.commit == commit
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.changed(), 2.5)


async def test_a_rewritten_history_stops_until_an_operator_takes_it(
    source: GitSource, repository: Repository, tmp_path: Path
) -> None:
    old = await source.read()
    await source.accepted(old.origin)
    new = repository.commit({"engines.yaml": "other"}, "--amend")
    line = await refusal(source)
    assert "history was rewritten" in line
    assert f"commit {new} does not follow {old.origin.commit}, which is served" in line

    accept = tmp_path / "state" / "policy.accept"
    assert f"run: echo {new} > {accept}" in line
    accept.write_text(f"{new}\n")
    later = repository.commit({"engines.yaml": "and more"})
    taken = await source.read()
    assert taken.origin.commit == later
    await source.accepted(old.origin)  # as after a restart, before the new one was applied
    assert (await source.read()).origin.commit == later
    await source.accepted(taken.origin)
    assert not accept.exists()
    assert (await source.read()).origin.commit == later


async def test_to_take_one_rewrite_is_to_take_no_other(
    source: GitSource, repository: Repository, tmp_path: Path
) -> None:
    await source.accepted((await source.read()).origin)
    meant = repository.commit({"engines.yaml": "meant"}, "--amend")
    (tmp_path / "state" / "policy.accept").write_text(meant)
    repository.commit({"engines.yaml": "not meant"}, "--amend")
    assert "history was rewritten" in await refusal(source)


async def test_an_older_commit_is_a_rewritten_history(
    source: GitSource, repository: Repository
) -> None:
    repository.commit({"engines.yaml": "later"})
    await source.accepted((await source.read()).origin)
    repository.git("reset", "--hard", "--quiet", "HEAD~")
    assert "history was rewritten" in await refusal(source)


async def test_an_operator_may_go_back(
    source: GitSource, repository: Repository, tmp_path: Path
) -> None:
    older = (await source.read()).origin
    repository.commit({"engines.yaml": "later"})
    later = (await source.read()).origin
    await source.accepted(later)
    repository.git("reset", "--hard", "--quiet", "HEAD~")
    (tmp_path / "state" / "policy.accept").write_text(older.commit)
    restarted = open_source(tmp_path, repository)
    await restarted.accepted(later)
    assert (await restarted.read()).origin == older
    await restarted.accepted(older)
    assert not (tmp_path / "state" / "policy.accept").exists()
    assert (await restarted.read()).origin == older


async def test_to_hear_again_of_what_was_served_before_loosens_nothing(
    source: GitSource, repository: Repository
) -> None:
    older = (await source.read()).origin
    repository.commit({"README.md": "no other policy"})
    await source.accepted((await source.read()).origin)
    await source.accepted(older)  # as at a restart: the generation is of the older commit
    repository.commit({"README.md": "other"}, "--amend")
    assert "history was rewritten" in await refusal(source)


async def test_what_was_never_served_may_be_rewritten(
    source: GitSource, repository: Repository
) -> None:
    await source.accepted((await source.read()).origin)
    repository.commit({"engines.yaml": "a slip"})
    await source.read()
    repository.commit({"engines.yaml": "mended"}, "--amend")
    assert served(await source.read())["engines.yaml"] == "mended"


async def test_what_is_served_holds_over_a_restart(
    source: GitSource, repository: Repository, tmp_path: Path
) -> None:
    served_before = (await source.read()).origin
    await source.accepted(served_before)
    repository.commit({"engines.yaml": "other"}, "--amend")
    restarted = open_source(tmp_path, repository)
    assert "history was rewritten" in await refusal(restarted)

    shutil.rmtree(tmp_path / "state" / "policy.git")
    without_mirror = open_source(tmp_path, repository)
    await without_mirror.accepted(served_before)
    assert "history was rewritten" in await refusal(without_mirror)


@pytest.mark.parametrize("text", ["", "main", "abc123", "0" * 41])
async def test_an_accept_file_without_a_whole_hash_is_refused(
    source: GitSource, repository: Repository, tmp_path: Path, text: str
) -> None:
    await source.accepted((await source.read()).origin)
    repository.commit({"engines.yaml": "other"}, "--amend")
    (tmp_path / "state" / "policy.accept").write_text(text)
    assert "holds no commit; write its whole hash" in await refusal(source)


async def test_a_repository_that_is_away_is_noticed_and_so_is_its_return(
    source: GitSource, repository: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await source.accepted((await source.read()).origin)
    aside = repository.folder.with_name("aside")
    repository.folder.rename(aside)
    assert "is no git repository" in await refusal(source)
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        group.create_task(source.changed())
        await asyncio.sleep(2)
        assert "is no git repository" in source.trouble
        aside.rename(repository.folder)
    assert source.trouble == ""
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert served(await source.read()) == FILES


async def test_a_branch_that_is_not_there_is_named(tmp_path: Path, repository: Repository) -> None:
    repository.commit(FILES)
    repository.git("branch", "--move", "trunk")
    assert "there is no such ref" in await refusal(open_source(tmp_path, repository))


async def test_many_small_changes_leave_a_small_mirror(
    source: GitSource, repository: Repository, tmp_path: Path
) -> None:
    for number in range(60):
        repository.commit({"engines.yaml": f"{number}"})
        await source.accepted((await source.read()).origin)
    files = [file for file in (tmp_path / "state" / "policy.git").rglob("*") if file.is_file()]
    assert len(files) < 60, "each fetch brings two"
