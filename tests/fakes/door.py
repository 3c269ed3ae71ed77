"""A socket at which processes knock, and what the policy makes of each."""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakes.front import real_clock
from fakes.policy import a_bundle
from leasehold.bundle import Identity, UnixMatch
from leasehold.identity.attestation import Attestation
from leasehold.identity.hashing import Hashes
from leasehold.identity.peercred import attest
from leasehold.identity.recognise import recognise
from leasehold.model import Caller

PR_SET_DUMPABLE = 4
CLONE_NEWUSER = 0x1000_0000


class Door:
    """A socket at which one process after the other knocks."""

    def __init__(self, folder: Path, *matches: UnixMatch, hashes: Hashes | None = None) -> None:
        identities = {
            f"id-{number}": Identity(name=f"id-{number}", owner="o", tenant="t", match=(match,))
            for number, match in enumerate(matches)
        }
        bundle = a_bundle(identities=identities)
        self.identities = identities
        self.attestation = Attestation(lambda: bundle, hashes or Hashes(real_clock()))
        self.path = folder / "s.sock"
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self.path.chmod(0o666)
        self._listening.listen()

    @contextmanager
    def knock(self, *command: str, **more: object) -> Iterator[tuple[Caller, subprocess.Popen]]:
        """Who connects when `command` is run; it ends with the block."""
        with subprocess.Popen([*command, str(self.path)], stdin=subprocess.PIPE, **more) as child:
            self._listening.settimeout(20)
            sock, _ = self._listening.accept()
            try:
                yield attest(sock), child
            finally:
                child.kill()
                sock.close()

    @contextmanager
    def knock_as(
        self, uid: int, *groups: int, unshare: bool = False
    ) -> Iterator[tuple[Caller, int]]:
        """Who connects from a child of this process that becomes another user."""
        child = os.fork()
        if child == 0:
            try:
                os.setgroups(groups)
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                if unshare:
                    libc = ctypes.CDLL(None)
                    if libc.prctl(PR_SET_DUMPABLE, 1) or libc.unshare(CLONE_NEWUSER):
                        os._exit(1)
                    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
                with socket.socket(socket.AF_UNIX) as mine:
                    mine.connect(str(self.path))
                    time.sleep(60)
            finally:
                os._exit(0)
        self._listening.settimeout(20)
        sock, _ = self._listening.accept()
        try:
            yield attest(sock), child
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            sock.close()

    def names(self, caller: Caller) -> list[str]:
        """The identities that the caller is by what the policy asks of it."""
        if self.attestation.asks_more(caller):
            caller = asyncio.run(self.attestation.narrowed(caller))
        return [identity.name for identity in recognise(self.identities, caller)]

    def all_of(self, caller: Caller) -> Caller:
        return asyncio.run(self.attestation.in_full(caller))

    def close(self) -> None:
        self._listening.close()
