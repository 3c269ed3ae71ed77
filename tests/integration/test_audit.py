"""The audit of a real daemon, verified and shown at the command line, over files and kills."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.daemon import Daemon, eventually
from servers.mosquitto import MosquittoServer, Subscriber
from servers.operator import asked, leasehold, offline

pytestmark = pytest.mark.servers
SMALL = ("--audit-file-mb", "0.01")


@pytest.fixture
def subscriber(mosquitto: MosquittoServer) -> Iterator[Subscriber]:
    with mosquitto.subscriber() as listening:
        yield listening


def verify(daemon: Daemon, *options: str | Path) -> subprocess.CompletedProcess[str]:
    return offline("audit", "verify", "--state-dir", daemon.state, *options)


def findings(daemon: Daemon, *options: str | Path) -> list[dict[str, Any]]:
    done = verify(daemon, "--json", *options)
    told = json.loads(done.stdout)
    assert done.returncode == (2 if told["findings"] else 0), done.stderr
    return told["findings"]


def issue(daemon: Daemon) -> str:
    return daemon.request("GET", "/v1/database/creds/reader").json["lease_id"]


def lives(daemon: Daemon, count: int) -> list[str]:
    leases = [issue(daemon) for _ in range(count)]
    for lease in leases:
        daemon.request("PUT", "/v1/sys/leases/revoke", {"lease_id": lease})
    return leases


def files(daemon: Daemon) -> list[str]:
    return sorted(path.name for path in daemon.state.glob("audit*"))


def test_an_audit_of_many_files_verifies_and_tells_a_life_with_and_without_the_daemon(
    daemon: Daemon,
) -> None:
    daemon.flags = SMALL
    daemon.start()
    first, *_ = lives(daemon, 12)
    assert len(files(daemon)) >= 3
    done = verify(daemon)
    assert done.returncode == 0, done.stdout
    assert "the audit is as it was written: numbers 1 to " in done.stdout

    def told() -> list[str]:
        return [line["event"] for line in asked(daemon, "audit", "show", "--lease", first)["lines"]]

    life = ["intended", "issued", "delivered", "revoking", "revoked"]
    eventually(lambda: sorted(told()) == sorted(life), what="the whole life")
    text = leasehold(daemon, "audit", "show", "--lease", first).stdout
    assert "the credential was handed over" in text
    assert f"asked by uid {os.getuid()}" in text
    assert daemon.stop() == 0
    alone = offline("audit", "show", "--lease", first, "--state-dir", daemon.state)
    assert alone.stdout == text
    copies = [daemon.state / name for name in files(daemon)]
    options = [word for copy in copies for word in ("--file", copy)]
    alone = offline("audit", "verify", *options, "--key-file", daemon.state / "key")
    assert alone.returncode == 0, alone.stdout
    key = ("--key-file", daemon.state / "key")
    assert offline("audit", "verify", "--file", copies[1], *key).returncode == 0
    none = offline("audit", "show", "--lease", first[:-4] + "aaaa", "--state-dir", daemon.state)
    assert none.returncode == 1
    assert none.stderr.startswith("leasehold: the audit has nothing on database/creds/reader/")


def test_a_harmed_audit_is_told_in_one_line_a_harm(daemon: Daemon) -> None:
    daemon.start()
    lives(daemon, 3)
    daemon.stop()
    audit = daemon.state / "audit.jsonl"
    lines = audit.read_text().splitlines(keepends=True)
    whole = len(lines)
    lines[4] = lines[4].replace('"uid":', '"uid":1', 1)
    del lines[7]
    audit.write_text("".join(lines[:-1]))
    done = verify(daemon)
    assert done.returncode == 2
    edited, missing, cut, count = done.stdout.splitlines()
    assert edited.startswith("audit.jsonl:5: edited: was edited (number 5, after 20")
    assert missing.startswith(
        "audit.jsonl:8: missing: missing before it: number 8 (number 8, after 20"
    )
    assert cut.startswith(
        f"audit.jsonl:{whole - 2}: cut: the end is missing: the last line is {whole - 1},"
        f" the store knows {whole} (number {whole}, after 20"
    )
    assert count == "3 places differ"


def test_an_older_store_is_found_before_and_after_the_daemon_started_with_it(
    daemon: Daemon, tmp_path: Path
) -> None:
    daemon.start()
    lives(daemon, 1)
    daemon.stop()
    shutil.copytree(daemon.state, tmp_path / "backup")
    daemon.start()
    lives(daemon, 2)
    daemon.stop()
    for file in daemon.state.glob("leases.db*"):
        file.unlink()
    shutil.copy(tmp_path / "backup" / "leases.db", daemon.state)
    [found] = findings(daemon)
    assert found["harm"] == "store-old"
    daemon.start()
    assert "an older store" in daemon.log.read_text()
    [found] = findings(daemon)
    assert found["harm"] == "broken-at-start"
    daemon.stop()


def test_a_daemon_that_is_killed_over_a_new_file_leaves_no_gap(daemon: Daemon) -> None:
    daemon.flags = SMALL
    daemon.start(failpoints={"audit.rotate.linked": {"action": "kill", "after": 1}})
    with pytest.raises(Exception):  # noqa: B017, PT011 (however the connection breaks)
        lives(daemon, 100)
    assert daemon.wait_dead() == -9
    assert findings(daemon) == []
    daemon.start()
    lives(daemon, 12)
    daemon.stop()
    assert findings(daemon) == []
    assert "audit.jsonl.new" not in files(daemon)


def test_an_outsider_who_kept_checkpoints_finds_what_was_set_back(
    daemon: Daemon, mosquitto: MosquittoServer, subscriber: Subscriber, tmp_path: Path
) -> None:
    daemon.mqtt, daemon.flags = mosquitto.url, ("--deployment", "prod")
    daemon.start()
    lives(daemon, 1)
    daemon.stop()
    shutil.copytree(daemon.state, tmp_path / "old")

    def kept() -> list[dict[str, Any]]:
        return [each.payload for each in subscriber.received if each.topic.endswith("/checkpoint")]

    eventually(lambda: len(kept()) >= 2, what="the checkpoint of the stop")
    daemon.start()
    lives(daemon, 1)
    daemon.stop()
    eventually(lambda: len(kept()) >= 4, what="the later ones")
    file = tmp_path / "kept.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in kept()))
    assert findings(daemon, "--checkpoints", file) == []
    last = kept()[-1]
    assert last["seq"] == len((daemon.state / "audit.jsonl").read_text().splitlines())
    shutil.rmtree(daemon.state)
    shutil.copytree(tmp_path / "old", daemon.state)
    assert findings(daemon) == []
    harms = {found["harm"] for found in findings(daemon, "--checkpoints", file)}
    assert harms == {"cut", "store-old"}
    pair = f"{last['seq']}:{last['mac']}"
    assert {found["harm"] for found in findings(daemon, "--checkpoint", pair)} == harms


def test_syslog_and_the_journal_get_every_line_and_may_be_away(
    daemon: Daemon, tmp_path: Path
) -> None:
    log, journal = tmp_path / "log", tmp_path / "journal"
    daemon.flags = ("--audit-syslog", str(log), "--audit-journald", str(journal))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(str(log))
        reader.settimeout(20)
        daemon.start()
        lives(daemon, 1)
        told = leasehold(daemon, "status").stdout
        assert f"degraded: the audit is not forwarded to journald at {journal}" in told
        assert daemon.stop() == 0
        lines = (daemon.state / "audit.jsonl").read_text().splitlines()
        got = [reader.recv(1 << 16).decode() for _ in lines]
    assert [text[text.index("{") :] for text in got] == lines
    assert got[0].startswith("<109>1 20")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "--checkpoint", "7"], "--checkpoint: found '7'; allowed is SEQ:MAC"),
        (["verify", "--state-dir", "/nowhere"], "/nowhere: cannot be read (No such file"),
        (["show"], "found neither --lease nor --request"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_exit_code_1(arguments: list[str], words: str) -> None:
    done = offline("audit", *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
