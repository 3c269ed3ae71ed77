"""A snapshot as a whole policy: databases, then who may ask, then a note for all the rest. Pure."""

from collections.abc import Mapping, Sequence

from leasehold.importing import acl
from leasehold.importing.acceptance import Types, faults_of
from leasehold.importing.acl import Rule
from leasehold.importing.databases import add_databases
from leasehold.importing.draft import Draft
from leasehold.importing.grants import Reach, access_entries, note_policies, reach
from leasehold.importing.hcl import NotUnderstood
from leasehold.importing.identities import identity_entry, policies_of
from leasehold.importing.names import unique_names
from leasehold.importing.others import add_quotas, note_others
from leasehold.importing.passwords import NoEqual, password_policy
from leasehold.importing.snapshot import Snapshot


def import_bundle(snapshot: Snapshot, types: Types) -> Draft:
    """The policy that says what the snapshot says."""
    draft = Draft()
    passwords = _password_policies(snapshot, types, draft)
    add_databases(snapshot, types, passwords, draft)
    add_quotas(snapshot, draft)
    rules, faults = acl.policies(snapshot.policies)
    for name, fault in sorted(faults.items()):
        draft.notes.add(f"sys/policies/acl/{name}", f"was not understood: {fault}")
    _access(snapshot, rules, faults, draft)
    note_policies(rules, [place.theirs for place in draft.places], snapshot.engines, draft.notes)
    note_others(snapshot, types, draft)
    return draft


def _password_policies(snapshot: Snapshot, types: Types, draft: Draft) -> dict[str, str]:
    """Our name by Vault's, for each that could be taken over."""
    names = unique_names({name: name for name in snapshot.password_policies})
    taken = {}
    for theirs, text in sorted(snapshot.password_policies.items()):
        about = f"sys/policies/password/{theirs}"
        try:
            entry = password_policy(about, text)
            problems, _ = faults_of({"password_policies": {names[theirs]: entry}}, types)
        except (NoEqual, NotUnderstood) as fault:
            problems = [str(fault)]
        if problems:
            draft.refuse("password_policies", about, problems[0])
        else:
            taken[theirs] = names[theirs]
            draft.password_policies[names[theirs]] = entry
    return taken


def _access(
    snapshot: Snapshot,
    rules: Mapping[str, Sequence[Rule]],
    faults: Mapping[str, str],
    draft: Draft,
) -> None:
    """An identity for each login that reaches a role, and the rules that give it that."""
    places = {place.theirs: place.ours for place in draft.places}
    found: dict[str, Reach] = {}
    for login in snapshot.logins:
        if reached := reach(login, rules, faults, places, draft.notes):
            found[login.path] = reached
    names = unique_names(
        {path: f"{each.login.method}-{each.login.name}" for path, each in found.items()}
    )
    for path, each in found.items():
        draft.identities[names[path]] = identity_entry(
            names[path], each.login, policies_of(each.login)
        )
    draft.access = access_entries((names[path], each) for path, each in found.items())
