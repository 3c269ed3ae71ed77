import json
import logging
import os
import resource
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.clock import FakeClock
from fakes.leases import START_MS, a_lease, an_event
from leasehold.errors import ConfigError
from leasehold.events.audit import FileAudit
from leasehold.events.audit_findings import Finding
from leasehold.events.audit_line import GENESIS
from leasehold.events.audit_verify import verify_audit
from leasehold.model import AuditHead, Caller, Cause, Event, EventType, TlsPeer

KEY = b"k" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def opened(path: Path, head: AuditHead = GENESIS) -> FileAudit:
    return FileAudit(path, KEY, head=head, wall=FakeClock().wall, boot="boot")


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines(keepends=True)


def wrong(path: Path, head: AuditHead | None = None) -> Sequence[Finding]:
    return verify_audit(path, KEY, lambda: head).findings


@contextmanager
def room_for(path: Path, more: int) -> Iterator[None]:
    """Let the kernel refuse to make a file longer than `path` and `more` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_line_says_what_happened_to_whom_and_who_asked(path: Path) -> None:
    audit = opened(path)
    caller = Caller(uid=1000, gid=100, pid=7, groups=frozenset({100}))
    lease = a_lease(cause=Cause.HOLDER)
    event = Event.new(EventType.REVOKED, lease.issued_ms, lease, caller=caller, why="gone")
    head = audit.append([event])
    audit.close()
    line = json.loads(path.read_text())
    assert line == {
        "seq": 1,
        "time": "2026-01-01T00:00:00.000+00:00",
        "event": "revoked",
        "id": event.id,
        "caller": {"uid": 1000, "gid": 100, "pid": 7},
        "lease": lease.id,
        "account": lease.account,
        "identity": "billing-api",
        "state": "active",
        "expires": "2026-01-01T01:00:00.000+00:00",
        "cause": "holder",
        "detail": {"why": "gone"},
        "boot": "boot",
        "stored": 0,
        "prev": GENESIS.mac,
        "mac": head.mac,
    }


def test_a_caller_by_tls_is_named_by_its_certificate(path: Path) -> None:
    audit = opened(path)
    peer = TlsPeer(("uri:spiffe://a/b", "dns:billing.internal"), ("ab",), "1f", "192.0.2.7")
    audit.append([Event.new(EventType.DENIED, START_MS, caller=Caller.over_tls(peer))])
    audit.close()
    assert json.loads(path.read_text())["caller"] == {
        "who": "tls:san=dns:billing.internal,san=uri:spiffe://a/b,issuer=ab",
        "serial": "1f",
        "address": "192.0.2.7",
    }


def test_a_long_text_is_cut_and_a_newline_stays_within_its_line(path: Path) -> None:
    audit = opened(path)
    audit.append([an_event(1, why="x" * 5_000), an_event(2, why="a\nb\u2028c\ud800")])
    audit.close()
    first, second = map(json.loads, path.read_text().splitlines())
    assert first["detail"]["why"] == "x" * 256
    assert second["detail"]["why"] == "a\nb\u2028c\ud800"
    assert wrong(path) == []


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        opened(path).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_chain_goes_on_after_a_restart(path: Path) -> None:
    head = GENESIS
    for number in range(4):
        audit = opened(path, head)
        head = audit.append([an_event(number), an_event(100 + number)])
        audit.close()
    assert wrong(path, head) == []
    assert head.seq == 8


def test_lines_beyond_what_the_store_knows_are_kept(path: Path) -> None:
    """A crash may fall between the audit's line and the store's commit."""
    audit = opened(path)
    known = audit.append([an_event(1)])
    audit.append([an_event(2)])
    audit.close()
    audit = opened(path, known)
    head = audit.append([an_event(3)])
    audit.close()
    assert head.seq == 3
    assert wrong(path, head) == []


@pytest.mark.parametrize("known", [0, 1, 2])
@pytest.mark.parametrize("torn", ['{"seq":3,"ti', "x", "{}"])
def test_a_line_torn_by_a_crash_is_cut_off_and_not_called_tampering(
    path: Path, known: int, torn: str, caplog: pytest.LogCaptureFixture
) -> None:
    audit = opened(path)
    heads = [GENESIS, *(audit.append([an_event(number)]) for number in (1, 2))]
    audit.close()
    with path.open("a") as file:
        file.write(torn)
    audit = opened(path, heads[known])
    head = audit.append([an_event(3)])
    audit.close()
    assert wrong(path, head) == []
    assert head.seq == 3
    assert not caplog.records


def test_the_very_first_line_may_be_torn_too(path: Path) -> None:
    path.write_text('{"seq":1,"time')
    path.chmod(0o600)
    audit = opened(path)
    head = audit.append([an_event(1)])
    audit.close()
    assert wrong(path, head) == []
    assert head.seq == len(lines(path)) == 1


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text(""),
        lambda path: path.write_text("".join(lines(path)[:-1])),
        lambda path: path.write_text("".join(lines(path)).replace("active", "revoked")),
        lambda path: path.write_bytes(path.read_bytes()[:-30] + b"\xff" * 28 + b'"\n'),
        lambda path: path.write_bytes(os.urandom(3_000)),
    ],
    ids=["removed", "emptied", "cut", "edited", "no text", "garbage"],
)
def test_an_audit_that_lost_its_end_is_kept_aside_and_that_is_told(
    path: Path, harm, caplog: pytest.LogCaptureFixture
) -> None:
    audit = opened(path)
    head = audit.append([an_event(number) for number in range(3)])
    audit.close()
    harm(path)
    found = path.read_bytes() if path.exists() else None
    audit = opened(path, head)
    audit.append([an_event(9)])
    audit.close()
    first = json.loads(lines(path)[0])
    assert first["event"] == "audit-broken"
    assert first["seq"] == 4
    assert "the store knows 3" in caplog.text
    if found is not None:
        assert (path.parent / "audit.jsonl.broken-3").read_bytes() == found


def test_a_full_disk_leaves_the_file_as_it_was_and_the_chain_whole(path: Path) -> None:
    audit = opened(path)
    audit.append([an_event(1)])
    before = path.read_bytes()
    for more in (0, 1, 100, len(before) + 50):
        with room_for(path, more), pytest.raises(OSError, match="File too large"):
            audit.append([an_event(2), an_event(3)])
        assert path.read_bytes() == before
    head = audit.append([an_event(4)])
    audit.close()
    assert head.seq == 2
    assert wrong(path, head) == []


def test_a_half_line_that_could_not_be_cut_off_is_cut_off_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = opened(path)
    audit.append([an_event(1)])

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as disk, room_for(path, 40):
        disk.setattr(os, "ftruncate", broken)
        with pytest.raises(OSError, match="output"):
            audit.append([an_event(2)])
    assert not path.read_text().endswith("\n")
    head = audit.append([an_event(3)])
    audit.close()
    assert wrong(path, head) == []


def test_what_comes_late_is_marked(path: Path) -> None:
    audit = opened(path)
    audit.append([an_event(1)], delayed=True)
    audit.append([an_event(2)])
    audit.close()
    assert [json.loads(line).get("delayed") for line in lines(path)] == [True, None]


@pytest.mark.parametrize("place", ["link", "folder", "nowhere"])
def test_a_place_that_cannot_hold_an_audit_is_refused_in_one_line(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "elsewhere").write_text("somebody's file")
    path = tmp_path / "audit.jsonl"
    if place == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif place == "folder":
        path.mkdir()
    else:
        path = tmp_path / "nowhere" / "audit.jsonl"
    with pytest.raises(ConfigError, match=r"cannot be used as audit|not a regular file") as caught:
        opened(path)
    assert str(path) in str(caught.value)
    assert (tmp_path / "elsewhere").read_text() == "somebody's file"


def test_a_denied_caller_is_audited_without_a_lease(path: Path, caplog) -> None:
    caplog.set_level(logging.INFO)
    audit = opened(path)
    caller = Caller(uid=4_000_000_000, gid=1, pid=2)
    audit.append([Event.new(EventType.DENIED, 0, caller=caller, path="a/b/c", verb="issue")])
    audit.close()
    line = json.loads(path.read_text())
    assert line["event"] == "denied"
    assert line["caller"]["uid"] == 4_000_000_000
    assert line["detail"] == {"path": "a/b/c", "verb": "issue"}
    assert "lease" not in line
