"""Leases, events and recipes as JSON, for the store. Pure.

Recipes hold secrets, so their form is for sealed columns only.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from operator import attrgetter
from typing import Any

from leasehold.model import (
    Caller,
    Cause,
    Event,
    EventType,
    Lease,
    LeaseState,
    Login,
    Process,
    Recipe,
    TlsPeer,
)
from leasehold.secret import Secret

LEASE_FIELDS = tuple(field.name for field in fields(Lease))
_line = json.JSONEncoder(separators=(",", ":")).encode
_fields_of = attrgetter(*LEASE_FIELDS)
_EMPTY = {LEASE_FIELDS.index("labels"): "", LEASE_FIELDS.index("handle"): "{}"}
"""Fields that are JSON, each with what it is when nothing is in it."""
_SINCE: tuple[Any, ...] = (None, "", {}, None, "")
"""What a caller's values have gained since the groups were the last of them."""
_SECRET = "$secret"  # noqa: S105 (the tag, not a secret)


def lease_values(lease: Lease) -> list[Any]:
    """The lease's fields in the order of `LEASE_FIELDS`, as what JSON and SQLite can hold."""
    values = list(_fields_of(lease))
    for at, empty in _EMPTY.items():
        values[at] = json.dumps(dict(values[at]), sort_keys=True) if values[at] else empty
    return values


def lease_from(values: Mapping[str, Any]) -> Lease:
    """The lease that `lease_values` was made from."""
    known = dict(values)
    known["state"] = LeaseState(known["state"])
    known["cause"] = Cause(known["cause"]) if known["cause"] else None
    known["handle"] = json.loads(known["handle"])
    known["labels"] = json.loads(known.get("labels") or "{}")
    for flag in ("warned", "overdue", "quarantined", "unproven"):
        known[flag] = bool(known[flag])
    return Lease(**known)


def dump_event(event: Event) -> str:
    """An event as one line of JSON."""
    caller = event.caller
    return _line(
        {
            "id": event.id,
            "type": event.type,
            "at_ms": event.at_ms,
            "lease": None
            if event.lease is None
            else dict(zip(LEASE_FIELDS, lease_values(event.lease), strict=True)),
            "caller": None if caller is None else caller_values(caller),
            "detail": dict(event.detail),
        }
    )


def load_event(text: str) -> Event:
    """The event that `dump_event` was given."""
    values = json.loads(text)
    lease, caller = values["lease"], values["caller"]
    return Event(
        id=values["id"],
        type=EventType(values["type"]),
        at_ms=values["at_ms"],
        lease=None if lease is None else lease_from(lease),
        caller=None if caller is None else caller_from(caller),
        detail=values["detail"],
    )


def caller_values(caller: Caller) -> list[Any]:
    """A caller without the id of its request, as what JSON can hold."""
    tls, facts = None if caller.tls is None else asdict(caller.tls), dict(caller.process.facts)
    login = None if caller.login is None else asdict(caller.login)
    ids = (caller.uid, caller.gid, caller.pid, sorted(caller.groups))
    return [*ids, tls, caller.token, facts, login, caller.peer]


def caller_from(values: Sequence[Any]) -> Caller:
    """The caller that `caller_values` was given; what is older ends earlier.

    Of its process the facts are kept, not why others are unknown.
    """
    uid, gid, pid, groups, tls, token, facts, login, peer = (*values, *_SINCE[len(values) - 4 :])
    if tls is not None:
        tls = TlsPeer(tuple(tls["names"]), tuple(tls["issuers"]), tls["serial"], tls["address"])
    if login is not None:
        proven = tuple((name, value) for name, value in login["facts"])
        login = Login(login["kind"], proven, login["address"])
    ids, process = (uid, gid, pid, frozenset(groups)), Process(facts=facts)
    return Caller(*ids, tls=tls, token=token, process=process, login=login, peer=peer)


def dump_recipe(recipe: Recipe) -> bytes:
    """A recipe with its secrets in clear: to be sealed at once."""
    values = {
        name: getattr(recipe, name) for name in ("engine", "engine_type", "connection", "role")
    }
    return json.dumps(values, default=_tagged).encode()


def load_recipe(recipe_id: str, plain: bytes) -> Recipe:
    """The recipe that `dump_recipe` was given."""
    return Recipe(id=recipe_id, **json.loads(plain, object_hook=_untagged))


def _tagged(value: object) -> object:
    if isinstance(value, Secret):
        return {_SECRET: value.reveal()}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a recipe holds no {type(value).__name__}")


def _untagged(value: dict[str, Any]) -> Any:
    return Secret(value[_SECRET]) if value.keys() == {_SECRET} else value
