"""What the bearer of a token may do is told to its owner and to operators, by the policy of now."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.clock import FakeClock
from fakes.policy import HOLDER, NOBODY_KNOWN, OPERATOR, STRANGER, a_bundle
from fakes.world import World
from leasehold.api.capabilities import CapabilityHandlers
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.errors import Denied, Invalid
from leasehold.model import Caller, Cause

PATH = "database/creds/reader"
ISSUES = ["create", "read", "update"]


class Asking:
    """The routes, and a token of `HOLDER`'s."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.serve = CapabilityHandlers(world.access, world.tokens)

    async def made(self) -> "Asking":
        self.issued = await self.world.login()
        return self

    async def ask(self, caller: Caller, by: str, value: str, *paths: str) -> dict[str, Any]:
        fields = Fields({by: value, "paths": list(paths or (PATH,))})
        handler = self.serve.of_token if by == "token" else self.serve.of_accessor
        return (await handler(Ask(caller, {}, fields))).body

    def named(self, by: str) -> str:
        return self.issued.text.reveal() if by == "token" else self.issued.token.accessor


both = pytest.mark.parametrize("by", ["token", "accessor"])


@both
@pytest.mark.parametrize("caller", [HOLDER, OPERATOR])
async def test_its_owner_and_an_operator_are_told(tmp_path: Path, by: str, caller: Caller) -> None:
    async with World(tmp_path, FakeClock(), a_bundle()) as world:
        it = await Asking(world).made()
        told = await it.ask(caller, by, it.named(by))
        assert told["data"]["capabilities"] == told["capabilities"] == told[PATH] == ISSUES
        told = await it.ask(caller, by, it.named(by), PATH, "leasehold/seal")
        assert told["data"] == {PATH: ISSUES, "leasehold/seal": ["deny"]}


@both
@pytest.mark.parametrize("caller", [STRANGER, NOBODY_KNOWN])
async def test_nobody_else_is_told_whether_there_is_such_a_token(
    tmp_path: Path, by: str, caller: Caller
) -> None:
    async with World(tmp_path, FakeClock(), a_bundle()) as world:
        it = await Asking(world).made()
        for value in (it.named(by), "none"):
            with pytest.raises(Denied, match="permission denied"):
                await it.ask(caller, by, value)


@both
async def test_a_token_that_is_none_or_over_is_told_to_an_operator(tmp_path: Path, by: str) -> None:
    async with World(tmp_path, FakeClock(), a_bundle()) as world:
        it = await Asking(world).made()
        with pytest.raises(Invalid, match=f"invalid {by}"):
            await it.ask(OPERATOR, by, "none")
        await world.tokens.end(it.issued.token.accessor, Cause.HOLDER)
        with pytest.raises(Invalid, match=f"invalid {by}"):
            await it.ask(OPERATOR, by, it.named(by))


@both
async def test_it_is_the_policy_of_now_that_is_told(tmp_path: Path, by: str) -> None:
    async with World(tmp_path, FakeClock(), a_bundle()) as world:
        it = await Asking(world).made()
        grants = [replace(each, identities=("operator",)) for each in a_bundle().grants]
        world.serve(a_bundle(grants=tuple(grants)))
        assert (await it.ask(OPERATOR, by, it.named(by)))["capabilities"] == ["deny"]


async def test_asking_uses_nothing_of_the_token_up(tmp_path: Path) -> None:
    async with World(tmp_path, FakeClock(), a_bundle()) as world:
        issued = await world.login(uses=1)
        serve = CapabilityHandlers(world.access, world.tokens)
        asked = Ask(HOLDER, {}, Fields({"token": issued.text.reveal(), "paths": [PATH]}))
        for _ in range(3):
            await serve.of_token(asked)
        assert (await world.speak(issued.text)).token == issued.token.accessor


async def test_without_a_token_it_is_the_caller_and_an_accessor_must_be_named(
    tmp_path: Path,
) -> None:
    async with World(tmp_path, FakeClock(), a_bundle()) as world:
        it = Asking(world)
        assert (await it.ask(HOLDER, "token", ""))["capabilities"] == ISSUES
        with pytest.raises(Invalid, match="accessor must be specified"):
            await it.ask(HOLDER, "accessor", "")
