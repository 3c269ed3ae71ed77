"""What every engine must keep, as tests for engine authors.

Subclass `EngineContract` in a test module and override the fixtures `engine`, `role` and `broken`;
see docs/writing-an-engine.md. Needs the extra `testing`.
"""

import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leasehold.bundle import PasswordPolicy
from leasehold.errors import EngineError, EngineTemporary, ErrorClass
from leasehold.plugin import Account, Engine, Issued, IssueRequest, Removal, Stage

MARK = "lhtest_"
REMOVED = Removal(stage=Stage.REMOVED)


class EngineContract:
    """The contract. An engine is opened, used and closed by each test."""

    @pytest.fixture
    async def engine(self) -> AsyncIterator[Engine]:
        """An open engine on a real target; close it afterwards."""
        raise NotImplementedError("override the fixture `engine`")
        yield  # noqa: PT022 (it shows what to write)

    @pytest.fixture
    def role(self) -> Mapping[str, Any]:
        """Options of a role that works on the target."""
        raise NotImplementedError("override the fixture `role`")

    @pytest.fixture
    def broken(self) -> Engine:
        """An engine, not opened, whose target does not answer."""
        raise NotImplementedError("override the fixture `broken`")

    @pytest.fixture
    def unworkable(self) -> Mapping[str, Any]:
        """Options of a role that no account can be made of; for an engine that rehearses."""
        raise NotImplementedError("override the fixture `unworkable`, since `rehearse` is offered")

    @staticmethod
    def account(engine: Engine, role: Mapping[str, Any]) -> Account:
        """An account under a fresh name."""
        name = MARK + secrets.token_hex(8)
        return Account(name=name, target=engine.target_id, role=role)

    @staticmethod
    async def issue(engine: Engine, account: Account) -> Issued:
        """Make `account`, to end in an hour."""
        return await engine.issue(
            IssueRequest(
                account=account,
                expires_at=datetime.now(UTC) + timedelta(hours=1),  # noqa: TID251 (a test's own time)
                password_policy=PasswordPolicy(),
                comment="made by the engine contract",
            )
        )

    @staticmethod
    async def rehearse(engine: Engine, role: Mapping[str, Any]) -> None:
        """Rehearse `role`, as if its account were to end in an hour."""
        later = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251 (a test's own time)
        await engine.rehearse(role, later, PasswordPolicy())

    async def test_a_credential_works_until_it_is_revoked(
        self, engine: Engine, role: Mapping[str, Any]
    ) -> None:
        account = self.account(engine, role)
        issued = await self.issue(engine, account)
        assert await engine.login(issued.credential)
        assert await engine.revoke(account) == REMOVED
        assert not await engine.login(issued.credential)

    async def test_revoking_twice_is_quiet(self, engine: Engine, role: Mapping[str, Any]) -> None:
        account = self.account(engine, role)
        await self.issue(engine, account)
        assert await engine.revoke(account) == REMOVED
        assert await engine.revoke(account) == REMOVED

    async def test_revoking_what_was_never_made_is_quiet(
        self, engine: Engine, role: Mapping[str, Any]
    ) -> None:
        assert await engine.revoke(self.account(engine, role)) == REMOVED

    async def test_many_are_revoked_together_made_or_not(
        self, engine: Engine, role: Mapping[str, Any]
    ) -> None:
        accounts = [self.account(engine, role) for _ in range(6)]
        made = [await self.issue(engine, account) for account in accounts[::2]]
        assert await engine.revoke_many(accounts) == [REMOVED] * 6
        assert not any([await engine.login(issued.credential) for issued in made])

    async def test_a_renewed_credential_works(
        self, engine: Engine, role: Mapping[str, Any]
    ) -> None:
        account = self.account(engine, role)
        issued = await self.issue(engine, account)
        later = datetime.now(UTC) + timedelta(hours=2)  # noqa: TID251 (a test's own time)
        await engine.renew(account, later)
        assert await engine.login(issued.credential)
        await engine.revoke(account)

    async def test_accounts_lists_what_stands_and_nothing_else(
        self, engine: Engine, role: Mapping[str, Any]
    ) -> None:
        account = self.account(engine, role)
        await self.issue(engine, account)
        assert account.name in [name async for name in engine.accounts(f"^{MARK}")]
        await engine.revoke(account)
        assert account.name not in [name async for name in engine.accounts(f"^{MARK}")]

    async def test_the_name_alone_is_enough_to_revoke(
        self, engine: Engine, role: Mapping[str, Any]
    ) -> None:
        account = self.account(engine, role)
        issued = await self.issue(engine, account)
        bare = Account(name=account.name, target=account.target, role=role)
        assert await engine.revoke(bare) == REMOVED
        assert not await engine.login(issued.credential)

    async def test_a_rehearsal_leaves_nothing_behind_or_says_that_it_is_not_offered(
        self, engine: Engine, role: Mapping[str, Any]
    ) -> None:
        before = [name async for name in engine.accounts("")]
        if engine.rehearses():
            await self.rehearse(engine, role)
        else:
            with pytest.raises(EngineError) as told:
                await self.rehearse(engine, role)
            assert told.value.error_class is ErrorClass.UNSUPPORTED
        assert [name async for name in engine.accounts("")] == before

    async def test_a_rehearsal_refuses_a_role_that_cannot_work(
        self, engine: Engine, request: pytest.FixtureRequest
    ) -> None:
        if not engine.rehearses():
            return  # the test above has seen it say so
        before = [name async for name in engine.accounts("")]
        with pytest.raises(EngineError) as told:
            await self.rehearse(engine, request.getfixturevalue("unworkable"))
        assert told.value.error_class is not ErrorClass.UNSUPPORTED
        assert [name async for name in engine.accounts("")] == before

    async def test_no_secret_stays_in_the_handle(
        self, engine: Engine, role: Mapping[str, Any]
    ) -> None:
        account = self.account(engine, role)
        issued = await self.issue(engine, account)
        clear = [
            value.reveal() for value in issued.credential.values() if not isinstance(value, str)
        ]
        assert clear, "a credential has at least one Secret"
        assert not any(secret in repr(issued) for secret in clear)
        assert not any(secret in str(dict(issued.handle)) for secret in clear)
        await engine.revoke(account)

    async def test_a_target_that_does_not_answer_is_temporary(self, broken: Engine) -> None:
        with pytest.raises(EngineTemporary):
            await broken.open()
        await broken.close()

    async def test_check_is_content(self, engine: Engine, role: Mapping[str, Any]) -> None:
        health = await engine.check([role])
        assert health.ok, health
