"""A plan for people: as text, and as Markdown for a pull request. Pure.

Every symbol has its word beside it, so that no meaning hangs on colour; there is none.
"""

from collections.abc import Iterator, Mapping
from typing import Any

SYMBOLS = {"create": "+", "update": "~", "drain": "-", "delete": "-"}
Json = Mapping[str, Any]


def as_text(plan: Json) -> str:
    """The plan, line by line."""
    return "\n".join(_lines(plan))


def as_markdown(plan: Json) -> str:
    """The plan as a comment: what is unsafe first, the whole text folded."""
    totals = ", ".join(f"{count} {word}" for word, count in plan["totals"].items() if count)
    lines = [f"### leasehold plan: {totals or 'no change'}", ""]
    lines += [f"- **unsafe** `{each['code']}`: {each['message']}" for each in plan["unsafe"]]
    lines += [f"- {line}" for line in _access(plan)]
    if plan["lease_impact"]:
        lines.append(f"- {_impact(plan['lease_impact'])}")
    lines += ["", "<details><summary>The whole plan</summary>", "", "```text"]
    lines += [*_lines(plan), "```", "", "</details>", "", f"Checksum `{plan['checksum']}`"]
    return "\n".join(lines) + "\n"


def _lines(plan: Json) -> Iterator[str]:
    against = f"generation {plan['generation']}" if plan["generation"] else "nothing served yet"
    if not plan["online"]:
        against = "the base that was given; live leases are not known offline"
    yield f"Plan: policy {plan['digest'][:12]} against {against}"
    for change in plan["changes"]:
        yield ""
        yield from _change(change, online=plan["online"])
    if access := list(_access(plan)):
        yield ""
        yield from access
    yield ""
    if plan["empty"]:
        yield "Nothing changes."
    yield "Totals  " + "  ".join(f"{word} {count}" for word, count in plan["totals"].items())
    if plan["lease_impact"]:
        yield _impact(plan["lease_impact"])
    for check in plan.get("checks", ()):
        yield f"Check   {check['address']}: {check['result']}{_took(check)}"
    for unsafe in plan["unsafe"]:
        yield f"Unsafe  ! {unsafe['code']}: {unsafe['message']}"
    yield f"Checksum {plan['checksum']}"


def _change(change: Json, *, online: bool) -> Iterator[str]:
    word = change["action"]
    reason = f": {change['reason']}" if change["reason"] else ""
    yield f"  {SYMBOLS[word]} {word} {change['address']}{reason}"
    for each in change["differences"]:
        before, after = each["before"] or "(none)", each["after"] or "(none)"
        shown = after if word == "create" else f"{before} -> {after}"
        yield f"      {each['field']}  {shown}"
    leases = change["leases"]
    if online and leases["total"]:
        hit = [
            f"{leases[kind]} {words}"
            for kind, words in (
                ("revoked", "end now"),
                ("shortened", "end earlier"),
                ("stranded", "cannot be renewed"),
            )
            if leases[kind]
        ]
        holders = ", ".join(f"{each['identity']} x{each['leases']}" for each in leases["holders"])
        told = ", ".join([f"{leases['total']} live leases", *hit])
        revocability = f"; revocability {change['revocability']}" if change["revocability"] else ""
        yield f"      {told}; holders: {holders}{revocability}"


def _access(plan: Json) -> Iterator[str]:
    for word, symbol in (("gained", "+"), ("lost", "-")):
        for each in plan["access_delta"][word]:
            yield (
                f"Access  {symbol} {word}: {each['identity']} {each['verb']} {each['path']}"
                f" ({_right(each, 'before')} -> {_right(each, 'after')})"
            )


def _right(access: Json, when: str) -> str:
    return ", ".join((_cap(access[f"{when}_s"]), *access[f"{when}_if"]))


def _cap(longest_s: int | None) -> str:
    if longest_s is None:
        return "the role's max_ttl"
    return f"at most {longest_s}s" if longest_s else "not allowed"


def _impact(impact: Json) -> str:
    share = f" ({impact['total'] * 100 / impact['live']:.1f} %)" if impact["live"] else ""
    return (
        f"Leases  hit {impact['total']} of {impact['live']}{share}  revoked now"
        f" {impact['revoked']}  shortened {impact['shortened']}  stranded {impact['stranded']}"
    )


def _took(check: Json) -> str:
    took = f" ({check['ms']} ms)" if check.get("ms") is not None else ""
    return took + (f", {check['message']}" if check.get("message") else "")
