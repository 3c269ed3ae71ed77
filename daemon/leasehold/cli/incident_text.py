"""Previews and reports of incidents as Markdown: for a terminal, a ticket, a folder of evidence."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

HOLDERS_SHOWN = 50


def preview_text(preview: Mapping[str, Any]) -> str:
    """What ending the leases would do."""
    return "\n".join(_preview(preview))


def _preview(preview: Mapping[str, Any]) -> Iterator[str]:
    yield f"{preview['leases']} live leases match."
    if not preview["leases"]:
        return
    yield ""
    rows = [
        (
            each["engine"],
            each["type"],
            each["leases"],
            each["revocability"],
            f"cannot be revoked, lives until {each['until']}" if each["cannot_be_revoked"] else "",
        )
        for each in preview["engines"]
    ]
    yield from _table(("Engine", "Type", "Leases", "Revocability", "Note"), rows)
    holders = preview["holders"]
    yield ""
    yield "These stop working, and get nothing new:"
    yield ""
    yield from _table(
        ("Identity", "Owner", "Tenant", "Role", "Leases"),
        [
            (each["identity"], each["owner"], each["tenant"], each["path"], each["leases"])
            for each in holders[:HOLDERS_SHOWN]
        ],
    )
    if len(holders) > HOLDERS_SHOWN:
        yield f"\nand {len(holders) - HOLDERS_SHOWN} more; --json has all"


def incident_text(found: Mapping[str, Any]) -> str:
    """An incident with its report, whole."""
    return "\n".join(_incident(found))


def _incident(found: Mapping[str, Any]) -> Iterator[str]:
    report = found["report"]
    match = ", ".join(f"{name}={value}" for name, value in found["match"].items())
    yield f"# Incident {found['id']}: {found['state']}"
    yield ""
    yield f"- Match: {match}"
    yield f"- Reason: {found['reason']}"
    yield f"- Opened: {found['opened_at']} by {found['by']} ({found['caller']})"
    yield f"- Leases told to end: {found['revoking_at'] or 'not yet'}"
    yield f"- All gone: {found['revoked_at'] or 'not yet'}"
    yield f"- Closed: {_closed(found)}"
    yield ""
    yield f"## Leases at {report['at']}"
    yield ""
    names = ("total", "revoked", "forced", "disabled", "failing", "untold", "alive")
    yield from _table(("Leases", "Count"), [(name, report[name]) for name in names])
    seconds = report["seconds"]
    if seconds["p50"] is not None:
        yield ""
        yield (
            f"Gone after: half of them {seconds['p50']:.3f} s, 99 % {seconds['p99']:.3f} s,"
            f" the last {seconds['all']:.3f} s."
        )
    yield ""
    yield from _table(
        ("Engine", "Type", "Revocability", "Total", "Revoked", "Failing", "Alive", "Until"),
        [
            (
                each["engine"],
                each["type"],
                each["revocability"],
                each["total"],
                each["revoked"],
                each["failing"],
                each["alive"],
                each["alive_until"] or "",
            )
            for each in report["engines"]
        ],
    )
    if report["failed"]:
        yield ""
        yield "## Not ended"
        yield ""
        yield from _table(
            ("Account", "Engine", "Identity", "State", "Attempts", "Until", "Why"),
            [
                (
                    each["account"],
                    each["engine"],
                    each["identity"],
                    each["state"],
                    each["attempts"],
                    each["until"],
                    each["why"],
                )
                for each in report["failed"]
            ],
        )


def _closed(found: Mapping[str, Any]) -> str:
    if found["closed_at"] is None:
        return "no; issue and renewal are frozen"
    return f"{found['closed_at']} by {found['closed_by']}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    cells = [tuple(headings), *(tuple(_cell(cell) for cell in row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        line = " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"| {line} |"
        if number == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"


def _cell(value: object) -> str:
    return str(value).replace("|", r"\|").replace("\n", " ")
