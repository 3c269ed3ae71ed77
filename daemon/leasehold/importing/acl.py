"""ACL policies of Vault: their rules, and what several policies together allow at one path. Pure.

The order of rules is that of Vault's documentation ("Policies", "Priority matching"), as OpenBao's
`CheckAllowedFromNonExactPaths` has it: an exact path holds, whatever else matches; else the one
whose first `+` or `*` comes last; then one without `*` at its end; fewer `+`; longer; greater.
Capabilities of one path are added up over all policies, and `deny` beats them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leasehold.importing import hcl
from leasehold.importing.hcl import NotUnderstood

_OLD = {
    "deny": {"deny"},
    "read": {"read", "list"},
    "write": {"create", "read", "update", "delete", "list"},
    "sudo": {"create", "read", "update", "delete", "list", "sudo"},
}
_CAPABILITIES = frozenset((*_OLD["sudo"], "deny", "patch", "scan", "subscribe", "recover"))
_HARMLESS = frozenset({"comment", "pagination_limit", "list_scan_response_keys_filter_path"})
"""Attributes that take nothing away from reading a credential."""
_TEMPLATE = re.compile(r"\{\{.*?\}\}")


@dataclass(frozen=True, slots=True)
class Rule:
    """What one policy says of `path`. `demands` are attributes that ask for more than a token."""

    path: str
    capabilities: frozenset[str]
    demands: frozenset[str]

    @property
    def templated(self) -> bool:
        """Whether the path differs by who asks."""
        return _TEMPLATE.search(self.path) is not None

    @property
    def is_pattern(self) -> bool:
        """Whether the path stands for several."""
        return self.path.endswith("*") or "+" in self.path.split("/")

    def matches(self, path: str) -> bool:
        """Whether the rule speaks of `path`; a template could be anything."""
        return _regex(self.path).fullmatch(path) is not None


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of a policy in HCL or JSON. Raises NotUnderstood."""
    body = hcl.parse(text)
    others = sorted(set(body.attributes) - {"name"})
    others += sorted({kind for kind, _, _ in body.blocks} - {"path"})
    if others:
        raise NotUnderstood(f"it has {others[0]!r} beside paths")
    return tuple(_rule(label, block) for _, label, block in body.blocks)


def allows(rules: Sequence[Rule], path: str, capability: str) -> bool:
    """Whether these rules, of all policies of somebody, surely give the capability at `path`.

    A template that may match is never sure: one that forbids would win over others.
    """
    speaking = [rule for rule in rules if rule.matches(path)]
    if any(rule.templated and not _gives([rule], capability) for rule in speaking):
        return False
    certain = [rule for rule in speaking if not rule.templated]
    if not certain:
        return False
    first = max((rule.path for rule in certain), key=lambda each: _priority(each, path))
    return _gives([rule for rule in certain if rule.path == first], capability)


def _rule(path: str, block: hcl.Block) -> Rule:
    nested = {kind for kind, _, _ in block.blocks}
    if not path or "+*" in path:
        raise NotUnderstood(f"path {path!r} is none")
    attributes = dict(block.attributes)
    said = attributes.pop("capabilities", [])
    old = attributes.pop("policy", "")
    if old and old not in _OLD:
        raise NotUnderstood(f"path {path!r} has the policy {old!r}")
    capabilities = {said} if isinstance(said, str) else set(map(str, said))
    if unknown := sorted(capabilities - _CAPABILITIES):
        raise NotUnderstood(f"path {path!r} has the capability {unknown[0]!r}")
    return Rule(
        path=path.removeprefix("/"),
        capabilities=frozenset(capabilities | _OLD.get(old, set())),
        demands=(frozenset(attributes) - _HARMLESS) | nested,
    )


def _gives(rules: Sequence[Rule], capability: str) -> bool:
    together = frozenset[str]().union(*(rule.capabilities for rule in rules))
    return (
        capability in together
        and "deny" not in together
        and not any(rule.demands for rule in rules)
    )


def _priority(pattern: str, path: str) -> tuple[bool, int, bool, int, int, str]:
    """Greater is heard first."""
    bare = pattern.removesuffix("*")
    parts = bare.split("/")
    first = bare.index("+") if "+" in parts else len(bare)
    return pattern == path, first, pattern == bare, -parts.count("+"), len(bare), bare


def _regex(pattern: str) -> re.Pattern[str]:
    bare = pattern.removesuffix("*")
    pieces = [
        "/".join("[^/]*" if part == "+" else re.escape(part) for part in piece.split("/"))
        for piece in _TEMPLATE.split(bare)
    ]
    return re.compile(".*".join(pieces) + ("" if bare == pattern else ".*"), re.DOTALL)


def policies(texts: Mapping[str, str]) -> tuple[dict[str, tuple[Rule, ...]], dict[str, str]]:
    """The rules of each policy by its name, and by name what was not understood."""
    rules, faults = {}, {}
    for name, text in texts.items():
        try:
            rules[name] = parse(text)
        except NotUnderstood as fault:
            faults[name] = str(fault)
    return rules, faults
