"""The engine keeps leasehold's contract, on a real file."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from leasehold.plugin import Account, Engine, TargetChanged
from leasehold.plugin.contract import EngineContract

from leasehold_htpasswd import HtpasswdEngine, scrypt

FOREIGN = "admin:$apr1$not.ours$made.by.hand"


class TestHtpasswd(EngineContract):
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        file = tmp_path / "users"
        file.write_text(f"{FOREIGN}\n")
        file.chmod(0o640)
        return file

    @pytest.fixture
    async def engine(self, file: Path) -> AsyncIterator[Engine]:
        engine = HtpasswdEngine("reports", {"path": str(file)})
        await engine.open()
        yield engine
        await engine.close()

    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        return {"cost": 10}

    @pytest.fixture
    def broken(self, tmp_path: Path) -> Engine:
        return HtpasswdEngine("reports", {"path": str(tmp_path / "nowhere" / "users")})

    async def test_lines_of_others_and_the_mode_stay(
        self, engine: Engine, role: Mapping[str, Any], file: Path
    ) -> None:
        account = self.account(engine, role)
        await self.issue(engine, account)
        await engine.revoke(account)
        assert FOREIGN in file.read_text().splitlines()
        assert file.stat().st_mode & 0o777 == 0o640

    async def test_an_account_of_another_file_is_not_called_gone(
        self, engine: Engine, role: Mapping[str, Any], file: Path
    ) -> None:
        account = self.account(engine, role)
        await self.issue(engine, account)
        file.write_text(FOREIGN)
        with pytest.raises(TargetChanged):
            await engine.revoke(account)
        await engine.check()
        with pytest.raises(TargetChanged):
            await engine.revoke(Account(name=account.name, target=account.target, role=role))


def test_the_hash_is_what_crypt_makes() -> None:
    # crypt("correct horse", …) of libxcrypt 4.4.
    made = "$7$86..../....leaseholdexamplesalt$lzAMxEXpKCnGrciXp7ymXqGjMRQHvIoKhcRR0sDE9X1"
    assert scrypt.fits("correct horse", made)
    assert not scrypt.fits("correct house", made)
    assert not scrypt.fits("correct horse", FOREIGN)
