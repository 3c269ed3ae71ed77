"""Where a store under test lives: opened, closed, opened again, and damaged behind its back."""

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.audit import FakeAudit
from fakes.clock import FakeClock
from fakes.leases import START_MS, a_lease
from leasehold.keys.keyfile import Key
from leasehold.leases import lifecycle
from leasehold.leases.sqlite import SQLiteStore
from leasehold.leases.store import Change, LeaseStore
from leasehold.model import Cause, Event, EventType, Lease, LeaseState, Recipe
from leasehold.secret import Secret

KEY = Key(id="0123456789abcdef", value=b"k" * 32)
RECIPE = Recipe(
    id="0123456789abcdef",
    engine="postgres-prod",
    engine_type="postgresql",
    connection={"host": "db", "password": Secret("hunter2-admin")},
    role={"member_of": ["app_readonly"]},
)


class Home(ABC):
    """The place of one store; `audit` and `clock` outlive it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.audit = FakeAudit()
        self.clock = FakeClock()

    @abstractmethod
    async def start(self) -> LeaseStore:
        """Open the store and have it take writes."""

    @abstractmethod
    def tamper(self, lease_id: str, **columns: Any) -> None:
        """Write into a row as somebody without the key would; the store is closed."""

    @abstractmethod
    def found_beside(self, lease_id: str) -> tuple[str, int] | None:
        """State and version of a row as a daemon would find it that started now, beside ours."""

    @abstractmethod
    def swap(self, one: str, two: str) -> None:
        """Exchange all but the ids of two rows."""

    @abstractmethod
    def tamper_all(self, **columns: Any) -> None:
        """Do the same to every row."""

    @abstractmethod
    def spoil_recipe(self, recipe_id: str) -> None:
        """Flip a bit of a sealed recipe."""

    @abstractmethod
    def tallied(self) -> dict[tuple[str, str], int]:
        """The counts that are kept."""

    @abstractmethod
    def everything(self) -> bytes:
        """All bytes at rest."""

    @staticmethod
    def broken_text(text: str) -> object:
        """`text` as one flipped bit leaves it, when the store can hold such a thing."""
        return text + "?"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[LeaseStore]:
        store = await self.start()
        try:
            yield store
        finally:
            await store.close()


class _NotUtf8(str):
    """Written by `execute` as a text with its first byte's high bit set."""


class SQLiteHome(Home):
    """A state directory."""

    @property
    def path(self) -> Path:
        return self.folder / "state" / "leases.db"

    async def start(self) -> SQLiteStore:
        store = SQLiteStore(self.folder / "state", KEY)
        store.start(self.audit, self.clock)
        return store

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.path)) as db, db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            for value in values:
                if isinstance(value, _NotUtf8):
                    # SQLite keeps any bytes as TEXT; only a cast lets Python write such.
                    statement = statement.replace("?", "CAST(? AS TEXT)", 1)
            plain = [
                bytes([value.encode()[0] | 0x80]) + value.encode()[1:]
                if isinstance(value, _NotUtf8)
                else value
                for value in values
            ]
            return db.execute(statement, plain).fetchall()

    def found_beside(self, lease_id: str) -> tuple[str, int] | None:
        with tempfile.TemporaryDirectory() as folder:
            for file in self.path.parent.glob("leases.db*"):
                shutil.copy(file, folder)
            with contextlib.closing(sqlite3.connect(Path(folder) / self.path.name)) as db:
                query = "SELECT state, version FROM lease WHERE id = ?"
                found: tuple[str, int] | None = db.execute(query, (lease_id,)).fetchone()
                return found

    def tamper(self, lease_id: str, **columns: Any) -> None:
        sets = ", ".join(f"{name} = ?" for name in columns)
        self.execute(f"UPDATE lease SET {sets} WHERE id = ?", *columns.values(), lease_id)

    def tamper_all(self, **columns: Any) -> None:
        sets = ", ".join(f"{name} = ?" for name in columns)
        self.execute(f"UPDATE lease SET {sets}", *columns.values())

    def spoil_recipe(self, recipe_id: str) -> None:
        [(sealed,)] = self.execute("SELECT sealed FROM recipe WHERE id = ?", recipe_id)
        spoilt = sealed[:-1] + bytes([sealed[-1] ^ 1])
        self.execute("UPDATE recipe SET sealed = ? WHERE id = ?", spoilt, recipe_id)

    def tallied(self) -> dict[tuple[str, str], int]:
        rows = self.execute("SELECT kind, name, count FROM tally")
        return {(kind, name): count for kind, name, count in rows}

    def everything(self) -> bytes:
        return b"".join(file.read_bytes() for file in self.path.parent.glob("leases.db*"))

    @staticmethod
    def broken_text(text: str) -> object:
        return _NotUtf8(text)

    def swap(self, one: str, two: str) -> None:
        for old, new in ((one, "aside"), (two, one), ("aside", two)):
            self.execute("UPDATE lease SET id = ? WHERE id = ?", new, old)


class OnAStore:
    """The fixtures of the contract's classes."""

    def home_in(self, folder: Path) -> Home:
        raise NotImplementedError("say where stores live")

    def on_a_new_store(self, body: Callable[[Home, LeaseStore], Awaitable[None]]) -> None:
        async def run(home: Home) -> None:
            async with home.opened() as store:
                await body(home, store)

        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(run(self.home_in(Path(folder))))

    @pytest.fixture
    def home(self, tmp_path: Path) -> Home:
        return self.home_in(tmp_path)

    @pytest.fixture
    async def store(self, home: Home) -> AsyncIterator[LeaseStore]:
        async with home.opened() as store:
            yield store


def pending(number: int = 1, **changes: Any) -> Lease:
    return a_lease(number, **{"state": LeaseState.PENDING, "next_ms": START_MS + 60_000, **changes})


def intent(lease: Lease, **fields: Any) -> Change:
    told = Event.new(EventType.INTENDED, lease.issued_ms, lease)
    return Change(old=None, new=lease, events=(told,), recipe=RECIPE, **fields)


def activated(lease: Lease) -> Change:
    new = lifecycle.activate(lease, {"oid": "7"})
    return Change(old=lease, new=new, events=(Event.new(EventType.ISSUED, START_MS, new),))


def renewed(lease: Lease) -> Change:
    new = lifecycle.renew(lease, START_MS, lease.expires_ms + 1_000)
    return Change(old=lease, new=new, events=(Event.new(EventType.RENEWED, START_MS, new),))


def revoking(lease: Lease, now_ms: int = START_MS + 1_000, **fields: Any) -> Change:
    new = lifecycle.revoke(lease, now_ms, Cause.HOLDER)
    told = Event.new(EventType.REVOKING, now_ms, new)
    return Change(old=lease, new=new, events=(told,), may_delay_audit=True, **fields)


def ended(lease: Lease, now_ms: int = START_MS + 2_000) -> Change:
    new = lifecycle.end(lease, now_ms)
    told = Event.new(EventType.REVOKED, now_ms, new)
    return Change(old=lease, new=new, events=(told,), may_delay_audit=True)


async def issue(store: LeaseStore, number: int = 1, **changes: Any) -> Lease:
    """An active lease in the store."""
    lease = pending(number, **changes)
    await store.write(intent(lease))
    change = activated(lease)
    await store.write(change)
    return change.new


async def end(store: LeaseStore, lease: Lease) -> Lease:
    """Revoke a lease in the store to its tombstone."""
    change = revoking(lease)
    await store.write(change)
    last = ended(change.new)
    await store.write(last)
    return last.new


def newer(lease: Lease, **changes: Any) -> Change:
    """Any change at all, with the version one higher."""
    return Change(old=lease, new=replace(lease, version=lease.version + 1, **changes))
