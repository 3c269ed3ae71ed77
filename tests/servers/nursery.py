"""Daemons for tests, forked from a process that has imported leasehold already.

Half of a daemon's start is the import of its modules, and the suite starts hundreds. A nursery
imports them once. What it forks has arguments, environment, output and folder of its own, and from
`main` on it is what `python -m leasehold` is. Whoever wants a start from nothing (the bench, the
chaos harness, a test that alters how Python starts) uses `subprocess` instead.
"""

import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

_LONGEST = 1 << 20


class Child:
    """A process that a nursery forked; it looks like a `subprocess.Popen`."""

    def __init__(self, nursery: "Nursery", args: Sequence[str], number: int, pid: int) -> None:
        self.args = args
        self.number = number
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._nursery.ended(self.number, 0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self.returncode = self._nursery.ended(self.number, timeout)
        if self.returncode is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(list(self.args), timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # ended, and not told yet
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process that forks, and what it told of the processes that it forked."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._forked = 0
        self._ended: dict[int, int] = {}
        """Return codes by number, because process ids come again."""

    @functools.cached_property
    def _channel(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # -P: the modules beside this one have the names of the drivers.
            command = [sys.executable, "-P", __file__, str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        return ours

    def fork(self, args: Sequence[str], env: Mapping[str, str], output: int) -> Child:
        """`leasehold` with these arguments; `output` is where it writes."""
        self._forked += 1
        order = {
            "number": self._forked,
            "args": list(args),
            "env": dict(env),
            "folder": os.getcwd(),
        }
        socket.send_fds(self._channel, [json.dumps(order).encode()], [output])
        while "forked" not in (told := self._hear()):
            pass
        return Child(self, args, self._forked, told["forked"])

    def ended(self, number: int, timeout: float | None) -> int | None:
        """The return code of a child; None if it did not end within so many seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while number not in self._ended:
            left = None if deadline is None else max(0, deadline - time.monotonic())
            if not select.select([self._channel], [], [], left)[0]:
                return None
            self._hear()
        return self._ended[number]

    def close(self) -> None:
        """End every child."""
        if self._process is not None:
            self._channel.close()
            self._process.wait(20)

    def _hear(self) -> dict[str, int]:
        told: dict[str, int] = json.loads(self._channel.recv(_LONGEST) or b"{}")
        assert told, "the nursery is gone"
        if "ended" in told:
            self._ended[told["ended"]] = told["code"]
        return told


def _tend(channel: socket.socket) -> list[str]:
    """Fork on order until the channel is closed; returns in each child, with its arguments."""
    children: dict[int, tuple[int, int]] = {}
    """Number and process id, by a descriptor that is readable when the process has ended."""
    while True:
        for ready in select.select([channel.fileno(), *children], [], [])[0]:
            if ready != channel.fileno():
                number, pid = children.pop(ready)
                os.close(ready)
                _tell(channel, ended=number, code=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                continue
            text, outputs, _, _ = socket.recv_fds(channel, _LONGEST, 1)
            if not text:
                for _, pid in children.values():
                    os.kill(pid, signal.SIGKILL)
                sys.exit()
            [output], order = outputs, json.loads(text)
            pid = os.fork()
            if pid == 0:
                os.dup2(output, 1)
                os.dup2(output, 2)
                highest = max(output, channel.detach(), *children)
                os.closerange(3, highest + 1)
                os.chdir(order["folder"])
                os.environ.clear()
                os.environ.update(order["env"])
                sys.orig_argv = [sys.executable, "-m", "leasehold", *order["args"]]
                return order["args"]
            os.close(output)
            children[os.pidfd_open(pid)] = (order["number"], pid)
            _tell(channel, forked=pid)


def _tell(channel: socket.socket, **what: int) -> None:
    channel.send(json.dumps(what).encode())


if __name__ == "__main__":
    from leasehold.cli import main

    for each in ("cli.main", "cli.serve", "cli.logs", "daemon"):
        importlib.import_module(f"leasehold.{each}")
    importlib.import_module("leasehold_plugins.postgresql")
    gc.freeze()  # or the first collection of every child would copy what they share
    sys.argv = ["leasehold", *_tend(socket.socket(fileno=int(sys.argv[1])))]
    main()
