"""Documents in a SQLite store: JSON, sealed under a key of its own for each (rules K1, K2)."""

import json
import sqlite3

from leasehold.keys.envelope import Envelope
from leasehold.leases.store import Document

_SELECT = "SELECT kind, name, sealed FROM document WHERE kind = ?"


def write(db: sqlite3.Connection, envelope: Envelope, document: Document) -> None:
    """Put a document in its place, or empty the place."""
    place = (document.kind, document.name)
    if document.value is None:
        db.execute("DELETE FROM document WHERE kind = ? AND name = ?", place)
        return
    sealed = envelope.seal(json.dumps(document.value).encode(), "document", *place)
    db.execute(
        "INSERT INTO document (kind, name, sealed) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET sealed = excluded.sealed",
        (*place, sealed),
    )


def read(
    db: sqlite3.Connection, envelope: Envelope, kind: str, name: str | None = None
) -> list[Document]:
    """The documents of a kind by name, or the one called `name`. Raises Unavailable."""
    query, values = (_SELECT, [kind]) if name is None else (f"{_SELECT} AND name = ?", [kind, name])
    return [
        Document(
            row["kind"],
            row["name"],
            json.loads(envelope.open(row["sealed"], "document", row["kind"], row["name"])),
        )
        for row in db.execute(f"{query} ORDER BY name", values)
    ]
