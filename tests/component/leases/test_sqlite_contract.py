"""The SQLite store keeps the contract of every store."""

from pathlib import Path

from component.leases.auditing import AuditContract
from component.leases.contract import WritingContract
from component.leases.damage import DamageContract
from component.leases.home import SQLiteHome
from component.leases.progressing import ProgressContract
from component.leases.reading import ReadingContract


class TestWriting(WritingContract):
    def home_in(self, folder: Path) -> SQLiteHome:
        return SQLiteHome(folder)


class TestAudit(AuditContract):
    def home_in(self, folder: Path) -> SQLiteHome:
        return SQLiteHome(folder)


class TestReading(ReadingContract, ProgressContract):
    def home_in(self, folder: Path) -> SQLiteHome:
        return SQLiteHome(folder)


class TestDamage(DamageContract):
    def home_in(self, folder: Path) -> SQLiteHome:
        return SQLiteHome(folder)
