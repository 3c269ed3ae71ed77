"""What ACL policies allow, as access rules on the paths of roles. Pure.

For each login, all of its policies together are asked about each role that was taken over, as Vault
asks them. So a pattern (`*`, `+`) is spelled out, and a `deny` or a more special path leaves its
role out; no rule that denies is written, since what no rule allows is denied.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leasehold.importing.acl import Rule, allows
from leasehold.importing.identities import longest_s, policies_of
from leasehold.importing.notes import Notes
from leasehold.importing.snapshot import Login, texts
from leasehold.importing.yaml_text import Entry
from leasehold.policy.durations import text

ROOT = "root"
_VERBS = {
    "renew": ("sys/leases/renew", "sys/renew"),
    "revoke": ("sys/leases/revoke", "sys/revoke", "auth/token/revoke-self"),
}
"""Beside `issue`: paths of Vault of which `update` on one gives the verb, for one's own leases."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What one login may: our paths, verbs, the longest lease (0 for no cap); and by which rules.

    `patterns` are the rules that stood for several paths: policy, pattern, and how many it hit.
    """

    login: Login
    paths: tuple[str, ...]
    verbs: tuple[str, ...]
    longest_s: int
    patterns: tuple[tuple[str, str, int], ...]


def reach(
    login: Login,
    policies: Mapping[str, Sequence[Rule]],
    faults: Mapping[str, str],
    places: Mapping[str, str],
    notes: Notes,
) -> Reach | None:
    """What the login may do at `places` (path in Vault to ours); None for nothing.

    A login with a policy that was not understood gets nothing, since that may deny something.
    """
    names = policies_of(login)
    if globs := texts(login.fields.get("allowed_policies_glob")):
        notes.add(login.path, f"allowed_policies_glob {', '.join(globs)} was not looked at")
    if ROOT in names:
        notes.add(login.path, "has the policy root: nothing was given to it; name what it needs")
        return None
    if unknown := [name for name in names if name in faults]:
        notes.add(
            login.path,
            f"nothing was given to it, since its policy {unknown[0]} was not understood",
        )
        return None
    rules = [rule for name in names for rule in policies.get(name, ())]
    allowed = [place for place in places if allows(rules, place, "read")]
    if not allowed:
        return None
    verbs = [
        verb
        for verb, paths in _VERBS.items()
        if any(allows(rules, path, "update") for path in paths)
    ]
    patterns = [
        (name, rule.path, hits)
        for name in names
        for rule in policies.get(name, ())
        if rule.is_pattern
        and "read" in rule.capabilities
        and (hits := sum(map(rule.matches, allowed)))
    ]
    return Reach(
        login=login,
        paths=tuple(sorted(places[place] for place in allowed)),
        verbs=("issue", *verbs),
        longest_s=longest_s(login),
        patterns=tuple(sorted(set(patterns))),
    )


def access_entries(reaches: Iterable[tuple[str, Reach]]) -> list[Entry]:
    """Access rules for identities by name: those who may the same share one."""
    alike: dict[Any, list[tuple[str, Reach]]] = {}
    for name, found in reaches:
        key = (found.paths, found.verbs, found.longest_s)
        alike.setdefault(key, []).append((name, found))
    return [_entry(sorted(same, key=lambda each: each[0])) for _, same in sorted(alike.items())]


def _entry(same: Sequence[tuple[str, Reach]]) -> Entry:
    one = same[0][1]
    comments = [
        f"{pattern} of the policy {policy} stood for {hits} of these paths; roles that are made"
        " later need a line of their own."
        for policy, pattern, hits in sorted({each for _, found in same for each in found.patterns})
    ]
    if one.longest_s:
        comments.append(f"max_ttl: their tokens, and so their leases, ended after {_span(one)}.")
    value: dict[str, Any] = {
        "identities": [name for name, _ in same],
        "paths": list(one.paths),
        "verbs": list(one.verbs),
    }
    if one.longest_s:
        value["max_ttl"] = _span(one)
    return Entry(value, comments)


def _span(found: Reach) -> str:
    return text(found.longest_s)


def note_policies(
    policies: Mapping[str, Sequence[Rule]],
    places: Iterable[str],
    mounts: Mapping[str, str],
    notes: Notes,
) -> None:
    """Note what of each policy has no equal: rules that cannot be said, and other engines' paths.

    `mounts` has the type of every mount by its path. Vault's own `default` is left out.
    """
    served = list(places)
    for name, rules in sorted(policies.items()):
        about = f"sys/policies/acl/{name}"
        for rule in rules if name != "default" else ():
            reads = any(map(rule.matches, served))
            if rule.templated:
                _note_template(about, rule, notes)
            elif reads and "deny" in rule.capabilities:
                notes.add(
                    about,
                    f"deny on {rule.path}: its holders were given the other roles only; a rule"
                    " with effect: deny keeps it so whatever they are given later",
                )
            elif reads and rule.demands:
                demands = ", ".join(sorted(rule.demands))
                notes.add(about, f"{rule.path} asks for {demands}: nothing was given for it")
            elif not reads:
                _note_other(about, rule, mounts, notes)


def _note_template(about: str, rule: Rule, notes: Notes) -> None:
    notes.add(
        about,
        f"{rule.path} is a template, which differs by who asks: nothing was given for it. Write a"
        " rule for each identity",
    )


def _note_other(about: str, rule: Rule, mounts: Mapping[str, str], notes: Notes) -> None:
    mount = max((m for m in mounts if f"{rule.path}/".startswith(f"{m}/")), key=len, default="")
    what = ", ".join(sorted(rule.capabilities))
    if not what or "deny" in rule.capabilities:
        return
    if mount:
        notes.add(about, f"{what} on {rule.path}: a {mounts[mount]} engine, not taken over")
    elif rule.path.startswith(("sys/", "auth/", "identity/")):
        notes.add(
            about,
            f"{what} on {rule.path}: Vault's own administration; operators of leasehold have the"
            " verbs list, revoke-any and operate, which were given to nobody",
        )
    else:
        notes.add(about, f"{what} on {rule.path}: leads to nothing that was taken over")
