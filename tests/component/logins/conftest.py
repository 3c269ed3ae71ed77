"""Worlds where callers log in: with AppRole, with AWS, with the tokens of an issuer."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fakes.clock import FakeClock
from fakes.logging_in import LoggingIn
from fakes.secret_ids import AppRole
from fakes.world import World

if TYPE_CHECKING:  # each needs the library of its method
    from fakes.issuer import Issuer
    from fakes.sts import Sts


@pytest.fixture
async def approle(tmp_path: Path) -> AsyncIterator[AppRole]:
    async with World(tmp_path, FakeClock()) as world:
        yield AppRole(world)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sts(tmp_path: Path, clock: FakeClock) -> Iterator["Sts"]:
    made = pytest.importorskip("fakes.sts").Sts(
        tmp_path / "sts", lambda: clock.wall(clock.now_ms())
    )
    with made.server.running():
        yield made


@pytest.fixture
async def aws(tmp_path: Path, clock: FakeClock, sts: "Sts") -> AsyncIterator[LoggingIn]:
    """Whose identity `ci` is the role `deploy` of an account."""
    async with World(tmp_path, clock) as world:
        yield LoggingIn(world, "aws", sts.options(), {"account": "123456789012", "role": "deploy"})


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator["Issuer"]:
    made = pytest.importorskip("fakes.issuer").Issuer(tmp_path / "issuer")
    with made.server.running():
        yield made


@pytest.fixture
async def ci(tmp_path: Path, issuer: "Issuer") -> AsyncIterator[LoggingIn]:
    """Whose identity `ci` is a repository of the issuer's."""
    options = issuer.options(
        claims=["repository", "ref", "groups"], bound_claims={"repository": ["acme/app", "acme/b"]}
    )
    match = {"issuer": issuer.url, "claims": {"repository": "acme/app"}}
    async with World(tmp_path, FakeClock()) as world:
        yield LoggingIn(world, "jwt", options, match)
