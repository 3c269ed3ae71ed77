"""Where in the policy files something is changed, or would be added, in words. Pure.

For those who try to write through the interface what stands in files. `known` says whether the one
who is told may see what there is; to others only the form is told.
"""

from collections.abc import Iterable

from leasehold.bundle import Bundle, EngineConfig

_SHOWN = 100


def of_role(bundle: Bundle, mount: str, name: str, *, known: bool) -> str:
    """Where the role `name` on `mount` stands, or belongs."""
    role = bundle.roles.get((mount, name)) if known else None
    if role is not None:
        key = f"{role.engine}/{role.name}"
        return f"change roles: {key}: {_at(bundle, f'role:{key}')}"
    engines = [engine.name for engine in _of_mount(bundle, mount)] if known else []
    if len(engines) == 1:
        return f"add roles: {engines[0]}/{name[:_SHOWN]}: to a policy file"
    which = f", the engine being {_either(engines)}," if engines else ""
    return f"add roles: <engine>/{name[:_SHOWN]}:{which} to a policy file"


def of_engine(bundle: Bundle, mount: str, name: str, *, known: bool) -> str:
    """Where the engine `name` on `mount` stands, or belongs; without a name, any of that mount."""
    engines = _of_mount(bundle, mount) if known else []
    named = [engine for engine in engines if engine.name == name] or engines
    if named:
        places = (f"{each.name}: {_at(bundle, f'engine:{each.name}')}" for each in named)
        return f"change engines: {', '.join(places)}"
    key = name[:_SHOWN] or "<name>"
    return f"add engines: {key}: with mount: {mount[:_SHOWN]} to a policy file"


def of_limits(bundle: Bundle, mount: str, *, known: bool) -> str:
    """Where a mount is made, and where its limits are set."""
    return (
        f"{of_engine(bundle, mount, '', known=known)}, or its limits under"
        f" lease_limits: {mount[:_SHOWN]}:"
    )


def of_passwords(name: str) -> str:
    """Where it stands how passwords are made."""
    return f"write password_policies: {name[:_SHOWN]}: in a policy file"


def of_rules(bundle: Bundle, name: str, *, known: bool) -> str:
    """Where the identity `name` stands, or belongs, and its rules."""
    if known and name in bundle.identities:
        place = _at(bundle, f"identity:{name}")
        return f"change identities: {name}: {place}, and its rules in access:"
    return f"add identities: {name[:_SHOWN]}: and its rules in access: to a policy file"


def of_methods() -> str:
    """Where it stands who a caller is."""
    return "write identities: with match: in a policy file"


def _at(bundle: Bundle, address: str) -> str:
    place = bundle.places.get(address)
    return f"at {place}" if place else "in its policy file"


def _of_mount(bundle: Bundle, mount: str) -> list[EngineConfig]:
    return [each for _, each in sorted(bundle.engines.items()) if each.mount == mount]


def _either(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
