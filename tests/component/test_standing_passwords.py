"""What passwords accounts that stand are given."""

from pathlib import Path
from typing import ClassVar

from fakes.clock import on_virtual_time, virtual_clock
from fakes.engine import FakeEngine
from fakes.policy import OPERATOR
from fakes.rotating import FIRST, Rotating, rotating_bundle
from fakes.world import World
from leasehold.bundle import PasswordPolicy
from leasehold.standing import Schedule, StaticRole

CHOSEN = PasswordPolicy(length=20)


class Short(FakeEngine):
    """Takes passwords of twelve."""

    standing_passwords: ClassVar[PasswordPolicy] = PasswordPolicy(length=12)


def role(name: str, policy: PasswordPolicy) -> StaticRole:
    return StaticRole(
        name=name,
        engine="main",
        accounts=(f"{name}_app",),
        schedule=Schedule(every_s=86_400),
        password_policy=policy,
        rotate_at_adoption=True,
    )


@on_virtual_time
async def test_they_are_as_the_engine_takes_them_unless_a_policy_is_chosen(tmp_path: Path) -> None:
    roles = [role("billing", PasswordPolicy()), role("ledger", CHOSEN)]
    served = {("database", each.name): each for each in roles}
    world = World(tmp_path, virtual_clock(), rotating_bundle(static_roles=served))
    world.engine_class = Short
    world.target.root = FIRST
    world.target.passwords.update(billing_app="x", ledger_app="x")
    async with world:
        rotations = Rotating(world).rotations
        await rotations.schedule.round()
        await rotations.root.rotate(OPERATOR, "database", "main")
        passwords = world.target.passwords
        assert len(world.target.root) == len(passwords["billing_app"]) == 12
        assert len(passwords["ledger_app"]) == 20
