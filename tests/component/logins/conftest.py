"""A world with AppRole."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.clock import FakeClock
from fakes.secret_ids import AppRole
from fakes.world import World


@pytest.fixture
async def approle(tmp_path: Path) -> AsyncIterator[AppRole]:
    async with World(tmp_path, FakeClock()) as world:
        yield AppRole(world)
