"""The machine of `secret_id_life` finds nothing, and finds a bug that is planted."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from component.secret_id_life import SecretIdLife
from fakes.ledger import Ledger
from fakes.world import World
from leasehold.leases.store import Document

COURSE = settings(max_examples=15, stateful_step_count=20, suppress_health_check=list(HealthCheck))
TestSecretIdLife = SecretIdLife.TestCase
TestSecretIdLife.settings = COURSE


class Forgetful(Ledger):
    """Writes down something else than it is given."""

    def changed(self, document: Document) -> Document | None:
        return document

    def __getattr__(self, name: str) -> Any:
        member = super().__getattr__(name)
        if name != "keep":
            return member

        async def keep(documents: Any, *events: Any, **more: Any) -> None:
            kept = [self.changed(it) if it.kind == "secret-id" else it for it in documents]
            await member([each for each in kept if each is not None], *events, **more)

        return keep


class ForgetsUses(Forgetful):
    """A use is in memory only."""

    def changed(self, document: Document) -> Document | None:
        return None if document.value and document.value["used_ms"] else document


class ForgetsEnds(Forgetful):
    """One that is over stays on the disk."""

    def changed(self, document: Document) -> Document | None:
        return None if document.value is None else document


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> Iterator[SecretIdLife]:
    """One whose world has a bug, to be led to it: by chance it would take long to get there."""
    world = type("Buggy", (World,), {"ledger_class": request.param})
    made = type("Machine", (SecretIdLife,), {"world_class": world})()
    yield made
    made.teardown()


@pytest.mark.parametrize("machine", [ForgetsUses], indirect=True)
def test_a_use_that_was_forgotten_is_found(machine: SecretIdLife) -> None:
    known = machine.make("deploy", 600)
    machine.log_in(known, 1, crash=False)
    with pytest.raises(AssertionError):
        machine.log_in(known, 5, crash=True)


@pytest.mark.parametrize("machine", [ForgetsEnds], indirect=True)
def test_an_end_that_was_forgotten_is_found(machine: SecretIdLife) -> None:
    known = machine.make("deploy", 600)
    machine.end(known, with_its_role=False)
    with pytest.raises(AssertionError):
        machine.log_in(known, 1, crash=True)
