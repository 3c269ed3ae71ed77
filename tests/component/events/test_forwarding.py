"""Lines of the audit reach syslog and the journal, and nothing ever waits for these."""

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fakes.audits import opened
from fakes.leases import a_lease, an_event
from fakes.publishing import soon
from leasehold.events.audit_line import Written
from leasehold.events.forwarding import Forwarder, forwarders
from leasehold.events.journald import journal_entry
from leasehold.events.metrics import Metrics
from leasehold.events.syslog import syslog_message
from leasehold.model import Event, EventType
from leasehold.settings import load_settings

SYSLOG = partial(syslog_message, host="db-1", pid=42)


@contextlib.contextmanager
def receiver(path: Path, queue: int = 200_000) -> Iterator[socket.socket]:
    """A Unix datagram socket that somebody reads, as rsyslog and journald do."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, queue)
        made.bind(str(path))
        made.setblocking(False)
        yield made


def heard(receiver: socket.socket) -> list[bytes]:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(receiver.recv(1 << 16))
    return found


def lines(count: int) -> list[Written]:
    return [Written({"event": "issued", "seq": n}, f'{{"seq":{n}}}') for n in range(1, count + 1)]


@contextlib.asynccontextmanager
async def at_work(forwarder: Forwarder) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        running = group.create_task(forwarder.run())
        try:
            yield
        finally:
            running.cancel()


class Counted:
    def __init__(self) -> None:
        self.dropped = 0

    def __call__(self, count: int) -> None:
        self.dropped += count


def forwarder(
    place: Any, datagram: Callable[[Written], bytes] = SYSLOG, **limits: int
) -> tuple[Forwarder, Counted]:
    counted = Counted()
    return Forwarder("syslog", place, datagram, counted, **limits), counted


def written(folder: Path, *events: Event) -> Sequence[Written]:
    """The lines that an audit told of."""
    told: list[Written] = []
    audit = opened(folder / "audit.jsonl", tell=told.extend)
    audit.append(events)
    audit.close()
    return told


async def test_what_syslog_gets_is_rfc_5424_with_the_line_of_the_file(tmp_path: Path) -> None:
    told = written(tmp_path, an_event(1), an_event(2, type=EventType.DENIED, why="a\nb é"))
    with receiver(tmp_path / "log") as log:
        sink, _ = forwarder(tmp_path / "log")
        async with at_work(sink):
            sink.offer(told)
            sink.wake()
            got = await soon(lambda: heard(log))
    form = re.compile(
        r"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S+) leasehold 42 (\S+) - (\{.*\})"
    )
    first, second = (form.fullmatch(each.decode("ascii")) for each in got)
    assert first is not None
    assert second is not None
    assert first.groups()[:4] == ("109", "2026-01-01T00:00:00.001Z", "db-1", "issued")
    assert second.groups()[:4] == ("108", "2026-01-01T00:00:00.002Z", "db-1", "denied")
    assert [first[5], second[5]] == (tmp_path / "audit.jsonl").read_text().splitlines()


async def test_what_the_journal_gets_can_be_filtered_by_the_lease(tmp_path: Path) -> None:
    [told] = written(tmp_path, an_event(1))
    with receiver(tmp_path / "journal") as journal:
        sink, _ = forwarder(tmp_path / "journal", journal_entry)
        async with at_work(sink):
            sink.offer([told])
            sink.wake()
            [entry] = await soon(lambda: heard(journal))
    fields = dict(line.split("=", 1) for line in entry.decode().splitlines())
    assert fields == {
        "MESSAGE": told.text,
        "PRIORITY": "5",
        "SYSLOG_IDENTIFIER": "leasehold",
        "LEASEHOLD_SEQ": "1",
        "LEASEHOLD_EVENT": "issued",
        "LEASEHOLD_LEASE": a_lease(1).id,
        "LEASEHOLD_ACCOUNT": a_lease(1).account,
        "LEASEHOLD_IDENTITY": "billing-api",
    }


def test_a_value_with_a_newline_has_its_length_before_it() -> None:
    entry = journal_entry(Written({"event": "issued", "cause": "a\nMESSAGE=forged"}, "{}"))
    assert b"LEASEHOLD_CAUSE\n\x10\0\0\0\0\0\0\0a\nMESSAGE=forged\n" in entry


async def test_udp_is_spoken_to_a_host_and_a_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        log.bind(("127.0.0.1", 0))
        log.setblocking(False)
        sink, _ = forwarder(("127.0.0.1", log.getsockname()[1]))
        async with at_work(sink):
            sink.offer(lines(3))
            sink.wake()
            got: list[bytes] = []
            await soon(lambda: got.extend(heard(log)) or len(got) == 3)
    assert [each.rpartition(b" ")[2] for each in got] == [b'{"seq":1}', b'{"seq":2}', b'{"seq":3}']


async def test_nobody_there_is_told_once_and_what_waits_is_sent_when_somebody_comes(
    tmp_path: Path, caplog
) -> None:
    sink, counted = forwarder(tmp_path / "log", most_waiting=5)
    async with at_work(sink):
        sink.offer(lines(8))
        sink.wake()
        await soon(lambda: sink.trouble)
        assert sink.trouble == (
            f"the audit is not forwarded to syslog at {tmp_path}/log: No such file or directory;"
            " 3 lines were dropped, the file has them"
        )
        assert counted.dropped == 3
        with receiver(tmp_path / "log") as log:
            got: list[bytes] = []
            await soon(lambda: got.extend(heard(log)) or len(got) == 6)
            await soon(lambda: not sink.trouble)
    notice, *others = [json.loads(each[each.index(b"{") :]) for each in got]
    assert notice == {"event": "lines-dropped", "detail": {"lines": "3"}}
    assert [each["seq"] for each in others] == [1, 2, 3, 4, 5]
    assert caplog.text.count("is not forwarded to") == 1


async def test_a_receiver_that_comes_back_is_found_again(tmp_path: Path) -> None:
    sink, counted = forwarder(tmp_path / "log")
    async with at_work(sink):
        for _ in range(2):
            with receiver(tmp_path / "log") as log:
                sink.offer(lines(1))
                sink.wake()
                await soon(lambda log=log: heard(log))
            (tmp_path / "log").unlink()
    assert counted.dropped == 0


async def test_a_receiver_that_does_not_read_holds_nothing_up_and_memory_has_a_bound(
    tmp_path: Path,
) -> None:
    with receiver(tmp_path / "log", queue=4_096) as log:
        sink, counted = forwarder(tmp_path / "log", most_waiting=50)
        async with at_work(sink):
            began = time.monotonic()
            for _ in range(40):
                sink.offer(lines(100))
                sink.wake()
                await asyncio.sleep(0)
            assert time.monotonic() - began < 2
            assert counted.dropped > 3_000
            got: list[bytes] = []
            await soon(lambda: got.extend(heard(log)) or b"lines-dropped" in b"".join(got))


async def test_a_line_that_no_datagram_holds_is_counted_and_the_others_follow() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        log.bind(("127.0.0.1", 0))
        log.setblocking(False)
        sink, counted = forwarder(("127.0.0.1", log.getsockname()[1]))
        async with at_work(sink):
            sink.offer([Written({"event": "issued"}, "x" * 70_000), *lines(1)])
            sink.wake()
            got: list[bytes] = []
            await soon(lambda: got.extend(heard(log)) or len(got) == 2)
    assert counted.dropped == 1
    assert b'"lines":"1"' in got[0]


async def test_the_last_lines_are_sent_at_the_stop(tmp_path: Path) -> None:
    with receiver(tmp_path / "log") as log:
        sink, _ = forwarder(tmp_path / "log")
        async with at_work(sink):
            sink.offer(lines(1))
            sink.wake()
            await soon(lambda: heard(log))
            sink.offer(lines(2))
        assert len(heard(log)) == 2


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("/dev/log", True),
        ("logs.internal:514", True),
        ("[::1]:514", True),
        ("logs.internal", False),
        ("dev/log", False),
        ("tcp://logs:514", False),
    ],
)
def test_a_place_is_a_socket_or_a_host_and_a_port(value: str, good: bool) -> None:
    environ = {"LEASEHOLD_AUDIT_SYSLOG": value, "LEASEHOLD_AUDIT_JOURNALD": "/run/journal"}
    if good:
        assert len(forwarders(load_settings({}, environ), Metrics())) == 2
    else:
        with pytest.raises(Exception, match="allowed is a socket such as /dev/log, or host:port"):
            load_settings({}, environ)


def test_without_settings_nothing_is_forwarded_and_drops_are_counted_by_place() -> None:
    metrics = Metrics()
    assert forwarders(load_settings({}, {}), metrics) == ()
    metrics.not_forwarded("syslog", 3)
    assert b'leasehold_audit_not_forwarded_total{to="syslog"} 3.0' in metrics.exposition(())
