"""What the policy asks of callers beyond their ids, read when they connect, and nothing else.

Most policies ask for nothing, and then connecting costs nothing more. What is costly is read last,
of callers who agree in all else, so that nobody can keep the daemon busy with another's rules.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from leasehold.bundle import PROCESS_FACTS, Bundle, UnixMatch
from leasehold.identity import process
from leasehold.identity.hashing import Hashes
from leasehold.identity.process import HOST, Untold
from leasehold.identity.recognise import agrees_by_ids, agrees_by_process
from leasehold.model import Caller, PeerSocket, Process

HASH_S = 5.0
"""How long a caller waits for the hash of its executable."""
_OF_CGROUP = ("cgroup", "slice", "unit", "user_unit")
_NAMESPACES = {"mount": "mnt", "user": "user"}
_FOREIGN = "its mount namespace is not the host's, so its path means another file"
_NO_PATH = "its executable has no path any more"
_LATE = "its executable was not hashed in time; it is soon known"
Rules = Collection[UnixMatch] | None
"""The matches whose facts are read, None when everything is."""


class Attestation:
    """Reads what the rules of `bundle`, the one that is served now, ask for."""

    def __init__(self, bundle: Callable[[], Bundle], hashes: Hashes) -> None:
        self._bundle = bundle
        self._hashes = hashes
        self._in_full = asyncio.Lock()
        self._of: Bundle | None = None
        self._narrow: tuple[UnixMatch, ...] = ()

    def asks_more(self, caller: Caller) -> bool:
        """Whether a rule asks for more than is known of this caller."""
        return next(self._rules(caller), None) is not None

    async def narrowed(self, caller: Caller) -> Caller:
        """The caller with what is asked of it."""
        rules = tuple(self._rules(caller))
        wanted = {name for match in rules for name, _ in match.process}
        return await self._with(caller, wanted, rules)

    async def in_full(self, caller: Caller) -> Caller:
        """The caller with all that can be known of it; by a token, what was known at the login.

        One after the other, since anybody may ask for it and it reads whole files.
        """
        if caller.token:
            return caller
        async with self._in_full:
            return await self._with(caller, PROCESS_FACTS, None)

    def _rules(self, caller: Caller) -> Iterator[UnixMatch]:
        if (bundle := self._bundle()) is not self._of:
            matches = (match for each in bundle.identities.values() for match in each.match)
            self._narrow = tuple(
                match for match in matches if isinstance(match, UnixMatch) and match.process
            )
            self._of = bundle
        return (match for match in self._narrow if agrees_by_ids(match, caller))

    async def _with(self, caller: Caller, wanted: Collection[str], rules: Rules) -> Caller:
        if caller.socket is None:
            return caller
        try:
            found = await self._read(caller.socket, wanted, rules)
        except (Untold, OSError) as why:
            found = Process(untold=dict.fromkeys(wanted, str(why)))
        return replace(caller, process=found)

    async def _read(self, sock: PeerSocket, wanted: Collection[str], rules: Rules) -> Process:
        found = _Found()
        with process.pidfd_of(sock) as pidfd:
            pid = process.pid_of(pidfd)
            if not set(_OF_CGROUP).isdisjoint(wanted):
                with found.noting(*_OF_CGROUP):
                    found.facts |= process.cgroup_facts(pid)
            if "exe" in wanted or "sha256" in wanted:
                with found.noting("exe", "sha256"):
                    await self._read_executable(found, pid, wanted, rules)
            if not process.is_alive(pidfd):
                raise Untold("its process ended while it was looked at")
        return found.of(wanted)

    async def _read_executable(
        self, found: "_Found", pid: int, wanted: Collection[str], rules: Rules
    ) -> None:
        for name, kind in _NAMESPACES.items():
            found.namespaces[name] = process.namespace_of(pid, kind)
        with process.executable_of(pid) as executable:
            if found.namespaces["mount"] != HOST:
                found.untold["exe"] = _FOREIGN
            elif executable.path:
                found.facts["exe"] = executable.path
            else:
                found.untold["exe"] = _NO_PATH
            if "sha256" in wanted and _hash_decides(rules, found.facts):
                with found.noting("sha256"):
                    found.facts["sha256"] = await self._hash(executable.descriptor)

    async def _hash(self, descriptor: int) -> str:
        try:
            async with asyncio.timeout(HASH_S):
                return await self._hashes.of(descriptor)
        except TimeoutError:
            raise Untold(_LATE) from None


@dataclass(slots=True)
class _Found:
    """What was read so far, and why not the rest."""

    facts: dict[str, str] = field(default_factory=dict)
    untold: dict[str, str] = field(default_factory=dict)
    namespaces: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def noting(self, *names: str) -> Iterator[None]:
        """Note for the facts `names` why they cannot be told."""
        try:
            yield
        except Untold as why:
            for name in names:
                self.untold.setdefault(name, str(why))

    def of(self, wanted: Collection[str]) -> Process:
        """What is wanted of it."""
        known = {name: text for name, text in self.facts.items() if name in wanted}
        untold = {
            name: self.untold[name]
            for name in wanted
            if name in self.untold and name not in self.facts
        }
        return Process(known, untold, self.namespaces)


def _hash_decides(rules: Rules, facts: Mapping[str, str]) -> bool:
    """Whether a rule agrees in all but the hash; without rules, it is asked for its own sake."""
    if rules is None:
        return True
    known = Process(facts)
    return any(
        agrees_by_process(match, known, but="sha256")
        for match in rules
        if any(name == "sha256" for name, _ in match.process)
    )
