"""W15: a lease's account is reached for as long as it stands, whatever the policy says now."""

from collections.abc import Mapping
from typing import Any

import pytest

from fakes.clock import on_virtual_time
from fakes.engine import FakeEngine, FakeTarget
from leasehold.engines.registry import Engines
from leasehold.errors import ConfigError, NotFound
from leasehold.model import Recipe
from leasehold.secret import Secret


def registry() -> tuple[Engines, dict[str, FakeTarget]]:
    targets = {name: FakeTarget(f"id-of-{name}") for name in ("one", "two")}
    engine_class = type("Engine", (FakeEngine,), {"targets": targets})
    return Engines(lambda _: engine_class), targets


def connection(host: str = "one", password: str = "first") -> Mapping[str, Any]:
    return {"host": host, "password": Secret(password)}


def recipe(**changes: str) -> Recipe:
    options = connection(**changes)
    return Recipe(id="r", engine="main", engine_type="fake", connection=options, role={})


def serve(engines: Engines, **changes: str) -> None:
    engines.serve(engines.build({"main": ("fake", "database", connection(**changes))}))


def test_an_engine_that_did_not_change_is_kept_with_its_connections() -> None:
    engines, _ = registry()
    serve(engines)
    kept = engines.current("main")
    serve(engines)
    assert engines.current("main") is kept


@on_virtual_time
async def test_a_changed_password_of_the_administrator_serves_old_leases_too() -> None:
    engines, _ = registry()
    serve(engines)
    serve(engines, password="second")
    now = engines.current("main")
    await now.ready()
    assert engines.for_lease(recipe(password="first"), "id-of-one") is now


@on_virtual_time
async def test_an_engine_that_now_leads_elsewhere_leaves_old_leases_their_own() -> None:
    engines, _ = registry()
    serve(engines)
    before = engines.current("main")
    serve(engines, host="two")
    await engines.current("main").ready()
    assert engines.for_lease(recipe(), "id-of-one") is before
    assert engines.for_lease(recipe(host="two"), "id-of-two") is engines.current("main")


def test_an_engine_that_left_the_policy_is_made_again_from_the_recipe() -> None:
    engines, _ = registry()
    engine = engines.for_lease(recipe(), "id-of-one")
    assert engines.for_lease(recipe(), "id-of-one") is engine, "once, and not for each lease"
    with pytest.raises(NotFound):
        engines.current("main")


def test_a_type_that_was_uninstalled_is_told() -> None:
    def load(type_name: str) -> type[FakeEngine]:
        raise ConfigError(f"engine type {type_name} is not installed")

    with pytest.raises(ConfigError, match="not installed"):
        Engines(load).for_lease(recipe(), "id-of-one")


def test_a_policy_with_one_bad_engine_changes_nothing() -> None:
    engines, _ = registry()
    serve(engines)
    before = engines.current("main")
    good, bad = ("fake", "a", connection("two")), ("fake", "b", {"host": "nowhere"})
    with pytest.raises(ConfigError):
        engines.build({"main": good, "bad": bad})
    assert engines.current("main") is before


@on_virtual_time
async def test_statuses_say_how_each_engine_fares() -> None:
    engines, targets = registry()
    built = engines.build(
        {
            "main": ("fake", "database", connection("one")),
            "aside": ("fake", "cache", connection("two")),
        }
    )
    engines.serve(built)
    targets["two"].away = True
    await engines.current("main").check([])
    await engines.current("aside").check([])
    aside, main = engines.statuses()
    assert (main.name, main.mount, main.state, main.reason) == ("main", "database", "ready", "")
    assert (aside.state, aside.reason) == ("opening", "the target cannot be reached")
    for _ in range(2):
        await engines.current("aside").check([])
    assert engines.statuses()[0].state == "down"


@on_virtual_time
async def test_every_target_is_let_go_of_at_the_end() -> None:
    engines, targets = registry()
    serve(engines)
    engines.for_lease(recipe(host="two"), "id-of-two")
    await engines.close()
    assert [target.calls["close"] for target in targets.values()] == [1, 1]
