"""Policy from git over https and ssh: who is spoken to, and where the login goes."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold.errors import ConfigError
from leasehold.sources.choose import source_for
from leasehold.sources.source import Source
from servers.git import Repository, settings_for, ssh_key
from servers.git_hosts import HttpsHost, SshHost

pytestmark = pytest.mark.servers

FILES = {"engines.yaml": "engines: {}\n"}
READ = (("engines.yaml", b"engines: {}\n"),)
TOKEN = "s3cr3t-token-that-nobody-sees"


async def refusal(source: Source) -> str:
    with pytest.raises(ConfigError) as refused:
        await source.read()
    line = str(refused.value)
    assert "\n" not in line
    assert TOKEN not in line
    return line


@pytest.fixture
def https(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HttpsHost]:
    monkeypatch.setenv("NO_PROXY", "localhost")
    repository.commit(FILES)
    (tmp_path / "https").mkdir()
    host = HttpsHost(tmp_path, TOKEN, tmp_path / "https")
    yield host
    host.close()


@pytest.fixture
def ssh(tmp_path: Path, repository: Repository) -> Iterator[SshHost]:
    repository.commit(FILES)
    (tmp_path / "ssh").mkdir()
    host = SshHost(tmp_path / "ssh")
    yield host
    host.close()


def https_source(
    host: HttpsHost, tmp_path: Path, url: str = "", token: str = TOKEN, **given: object
) -> Source:
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    file.chmod(0o600)
    wanted = {"git_token": f"file:{file}", "git_ca_file": host.certificate, **given}
    return source_for(settings_for(tmp_path, url or host.url("repository/.git"), **wanted))


class Looking(threading.Thread):
    """Gathers what every process of the machine shows of itself while the block runs."""

    def __init__(self) -> None:
        super().__init__()
        self._done = threading.Event()
        self.seen: set[bytes] = set()

    def __enter__(self) -> "Looking":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        while not self._done.is_set():
            for folder in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        self.seen.add((folder / name).read_bytes())
                    except OSError:
                        continue


async def test_a_login_by_token_reads_and_the_token_shows_nowhere(
    https: HttpsHost, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    https.delay_s = 0.3
    source = https_source(https, tmp_path)
    with Looking() as looking:
        snapshot = await source.read()
    assert snapshot.files == READ
    assert https.logins[-1] == f"git:{TOKEN}"
    assert any(b"remote-https" in text for text in looking.seen), "nothing was looked at"
    assert not any(TOKEN.encode() in text for text in looking.seen)
    written = [file for file in (tmp_path / "state").rglob("*") if file.is_file()]
    assert not any(TOKEN.encode() in file.read_bytes() for file in written)
    assert TOKEN not in caplog.text


async def test_a_token_that_changes_is_read_anew(https: HttpsHost, tmp_path: Path) -> None:
    source = https_source(https, tmp_path, token="old-token")
    assert "the login is refused; look at git_token" in await refusal(source)
    (tmp_path / "token").write_text(TOKEN)
    assert (await source.read()).files == READ


async def test_the_user_in_the_address_is_who_logs_in(https: HttpsHost, tmp_path: Path) -> None:
    url = https.url("repository/.git").replace("//", "//bot@")
    assert (await https_source(https, tmp_path, url).read()).files == READ
    assert https.logins[-1] == f"bot:{TOKEN}"


@pytest.mark.parametrize("token", ["two\nlines", "x" * 5000, "ünicode"])
async def test_what_is_no_token_is_refused_and_not_shown(
    https: HttpsHost, tmp_path: Path, token: str
) -> None:
    line = await refusal(https_source(https, tmp_path, token=token))
    assert "what is no token" in line
    assert token not in line


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    https: HttpsHost, tmp_path: Path
) -> None:
    source = https_source(https, tmp_path, git_ca_file=None)
    assert "the server's certificate is not trusted" in await refusal(source)
    assert https.logins == []


async def test_a_token_goes_to_no_other_host(https: HttpsHost, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = HttpsHost(tmp_path, TOKEN, tmp_path / "other")
    try:
        https.elsewhere = f"https://localhost:{other.port}"
        source = https_source(https, tmp_path, https.url("moved/repository/.git"))
        assert "the server leads elsewhere" in await refusal(source)
        assert other.logins == []
    finally:
        other.close()


async def test_a_token_goes_to_no_proxy(
    https: HttpsHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        answer = 'HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm="p"\r\n'
        writer.write(f"{answer}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("https_proxy", f"http://somebody@localhost:{port}")
        monkeypatch.delenv("NO_PROXY")
        assert "the login is refused" in await refusal(https_source(https, tmp_path))
    assert not any(b"authorization" in request.lower() for request in asked)


async def test_a_repository_that_is_not_there_is_told(https: HttpsHost, tmp_path: Path) -> None:
    source = https_source(https, tmp_path, https.url("nowhere.git"))
    assert "there is no such repository" in await refusal(source)


async def test_a_host_that_is_away_is_told(https: HttpsHost, tmp_path: Path) -> None:
    source = https_source(https, tmp_path)
    https.close()
    assert "it cannot be reached" in await refusal(source)


async def test_a_key_logs_in_by_ssh(ssh: SshHost, repository: Repository, tmp_path: Path) -> None:
    keys = {"git_ssh_key_file": ssh.key, "git_known_hosts_file": ssh.known_hosts}
    source = source_for(settings_for(tmp_path, ssh.url(repository.folder), **keys))
    assert (await source.read()).files == READ


async def test_a_host_by_ssh_that_is_not_known_is_not_spoken_to(
    ssh: SshHost, repository: Repository, tmp_path: Path
) -> None:
    other = ssh_key(tmp_path / "other").with_suffix(".pub").read_text()
    ssh.known_hosts.write_text(f"[127.0.0.1]:{ssh.port} {other}")
    keys = {"git_ssh_key_file": ssh.key, "git_known_hosts_file": ssh.known_hosts}
    source = source_for(settings_for(tmp_path, ssh.url(repository.folder), **keys))
    assert "put the right one into git_known_hosts_file" in await refusal(source)


async def test_a_key_that_the_host_does_not_know_is_told(
    ssh: SshHost, repository: Repository, tmp_path: Path
) -> None:
    other = ssh_key(tmp_path / "other")
    keys = {"git_ssh_key_file": other, "git_known_hosts_file": ssh.known_hosts}
    source = source_for(settings_for(tmp_path, ssh.url(repository.folder), **keys))
    assert "the login is refused; look at git_token or git_ssh_key_file" in await refusal(source)


READER = """
import asyncio, pathlib, sys
from leasehold.sources.choose import source_for
from servers.git import settings_for
folder, url, token, authority = sys.argv[1:]
settings = settings_for(pathlib.Path(folder), url, git_token=token,
                        git_ca_file=pathlib.Path(authority))
asyncio.run(source_for(settings).read())
"""


async def test_a_daemon_killed_within_a_fetch_leaves_nothing_broken(
    https: HttpsHost, repository: Repository, tmp_path: Path
) -> None:
    source = https_source(https, tmp_path)
    await source.accepted((await source.read()).origin)
    commit = repository.commit({"noise.bin": os.urandom(1 << 20)})
    mirror = tmp_path / "state" / "policy.git"
    https.stall = True
    reference = (f"file:{tmp_path}/token", str(https.certificate))
    for _ in range(3):
        sooner = packs_under_way(mirror)
        process = subprocess.Popen(  # noqa: ASYNC220 (nothing else runs here)
            [sys.executable, "-c", READER, str(tmp_path), https.url("repository/.git"), *reference],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        deadline = time.monotonic() + 20
        while not packs_under_way(mirror) - sooner:
            assert time.monotonic() < deadline
            time.sleep(0.02)  # noqa: ASYNC251 (nor here)
        process.send_signal(signal.SIGKILL)
        process.wait()
    (mirror / "refs" / "leasehold" / "candidate.lock").touch()
    https.stall = False
    restarted = https_source(https, tmp_path)
    assert (await restarted.read()).origin.commit == commit


def packs_under_way(mirror: Path) -> set[Path]:
    return set(mirror.glob("objects/pack/tmp_pack_*"))
