"""How the daemon stands, told to all who may connect."""

import pytest

from fakes.clock import FakeClock
from fakes.policy import NOBODY_KNOWN
from leasehold.api.fields import Fields
from leasehold.api.handlers import Ask
from leasehold.api.state import StateHandlers
from leasehold.errors import Invalid, Unsupported


@pytest.fixture
def state() -> StateHandlers:
    return StateHandlers(FakeClock())


def ask(options: dict[str, str] | None = None) -> Ask:
    return Ask(NOBODY_KNOWN, {}, Fields(options or {}))


async def test_it_is_initialised_unsealed_and_alone(state: StateHandlers) -> None:
    health, seal = await state.health(ask()), await state.seal_status(ask())
    assert health.body is not None
    assert seal.body is not None
    for body in (health.body, seal.body):
        assert (body["initialized"], body["sealed"]) == (True, False)
    assert health.body["version"] == seal.body["version"]
    assert (await state.init(ask())).body == {"initialized": True}
    leader = (await state.leader(ask())).body
    assert leader is not None
    assert leader["ha_enabled"] is False
    assert (await state.healthz(ask())).raw == b"ok"


async def test_there_is_nothing_to_initialise(state: StateHandlers) -> None:
    with pytest.raises(Unsupported, match="key file"):
        await state.refuse(ask())


async def test_unsealing_what_is_not_sealed_answers_how_it_stands(state: StateHandlers) -> None:
    body = (await state.unseal(ask({"key": "x"}))).body
    assert body is not None
    assert body["sealed"] is False


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 200),
        ({"standbyok": "true", "sealedcode": "503"}, 200),
        ({"activecode": "299"}, 299),
        ({"activecode": "204"}, 204),
    ],
)
async def test_the_status_of_health_can_be_chosen(
    state: StateHandlers, options: dict[str, str], status: int
) -> None:
    asked = ask(options)
    reply = await state.health(asked)
    assert (reply.sent_status, reply.body is None) == (status, status == 204)
    assert asked.fields.ignored() == []


@pytest.mark.parametrize("code", ["99", "199", "600", "abc", "٢٠٠", "0200", "-200"])
async def test_a_status_of_health_that_is_none_is_refused(state: StateHandlers, code: str) -> None:
    with pytest.raises(Invalid, match="activecode: found"):
        await state.health(ask({"activecode": code}))
