"""What a Vault has beside databases, policies and logins: quotas, and what is only named. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from leasehold.importing.acceptance import Types
from leasehold.importing.draft import Draft
from leasehold.importing.snapshot import ROLES_OF_METHODS, Snapshot, whole
from leasehold.importing.yaml_text import Entry

_DATABASE = "database"


def note_others(snapshot: Snapshot, types: Types, draft: Draft) -> None:
    """Note every other mount, auth method, group, namespace and policy of another kind."""
    taken = {database.path for database in snapshot.databases}
    for path, kind in snapshot.engines.items():
        if path not in taken:
            draft.notes.add(path, _of_engine(kind, types))
    for path, kind in snapshot.methods.items():
        if kind not in ROLES_OF_METHODS:
            draft.notes.add(
                f"auth/{path}",
                f"logins of type {kind} were not looked at; write an identity for each caller",
            )
    for group in snapshot.groups:
        draft.notes.add(
            f"identity/group/name/{group}",
            "the policies that a group or an entity gives were not looked at; add its members to"
            " access rules, or leave paths out that it denies",
        )
    for namespace in snapshot.namespaces:
        draft.notes.add(
            f"sys/namespaces/{namespace}",
            "a namespace of its own; run this again with VAULT_NAMESPACE and another --out",
        )
    for policy in snapshot.sentinel:
        draft.notes.add(policy, "Sentinel policies have no equal; see what they forbid")


def _of_engine(kind: str, types: Types) -> str:
    if kind == _DATABASE:
        return "was not asked for with --mount"
    if kind in types:
        return f"the engine type {kind} is installed; its engine and roles have to be written"
    return f"leasehold has no engine for {kind} yet: leave it to Vault"


def add_quotas(snapshot: Snapshot, draft: Draft) -> None:
    """Add limits of live leases where they are for a mount or a role; note any other quota."""
    mounts = {place.theirs.partition("/creds/")[0]: place for place in draft.places}
    roles = {place.theirs: place for place in draft.places}
    for quota in snapshot.quotas:
        path, most = str(quota.get("path") or "").strip("/"), whole(quota.get("max_leases"))
        about = f"quota {quota.get('name')} on {path or 'everything'}"
        if "max_leases" not in quota:
            draft.notes.add(
                about,
                "requests are not limited by path; quotas limit how fast an identity gets leases",
            )
        elif most and path in roles and not quota.get("role"):
            entry = draft.roles[roles[path].role]
            draft.roles[roles[path].role] = _with_most(entry, most, about)
        elif most and path in mounts and not quota.get("role"):
            mount = mounts[path].ours.partition("/")[0]
            entry = draft.lease_limits.get(mount, Entry({}))
            draft.lease_limits[mount] = _with_most(entry, most, about)
        else:
            draft.notes.add(about, "limits of leases are by mount or by role here")


def _with_most(entry: Entry, most: int, about: str) -> Entry:
    value: Mapping[str, Any] = entry.value
    most = min(most, value.get("max_leases", most))
    comments: Iterable[str] = (*entry.comments, f"max_leases: {about}.")
    return Entry({**value, "max_leases": most}, tuple(comments))
