"""Whose passwords leasehold is to change that stand already, and which of them are new. Pure."""

from dataclasses import dataclass

from leasehold.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Rotatable:
    """Accounts at an engine whose passwords are to change; None is its administrator.

    `address` is that of the static role, or of the engine.
    """

    address: str
    engine: str
    accounts: tuple[str | None, ...]


def rotatables(bundle: Bundle) -> list[Rotatable]:
    """All of a bundle: administrators with `root_rotation`, and static roles."""
    administrators = [
        Rotatable(f"engine:{name}", name, (None,))
        for name, engine in bundle.engines.items()
        if engine.root_rotation_s is not None
    ]
    static = [
        Rotatable(f"static:{role.key}", role.engine, role.accounts)
        for role in bundle.static_roles.values()
    ]
    return [*administrators, *static]


def accounts_to_rotate(bundle: Bundle, engine: str) -> list[str | None]:
    """The accounts of all of one engine."""
    mine = [each for each in rotatables(bundle) if each.engine == engine]
    return [account for each in mine for account in each.accounts]


def to_check(old: Bundle | None, new: Bundle) -> list[Rotatable]:
    """Those of `new` that `old` has not, or has at an engine with another connection."""
    known = set() if old is None else set(rotatables(old))
    return [
        each
        for each in rotatables(new)
        if old is None or each not in known or _leads_elsewhere(old, new, each.engine)
    ]


def _leads_elsewhere(old: Bundle, new: Bundle, engine: str) -> bool:
    before, after = old.engines[engine], new.engines[engine]
    return (before.type, before.connection) != (after.type, after.connection)
