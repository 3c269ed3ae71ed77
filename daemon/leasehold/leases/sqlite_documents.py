"""Documents in a SQLite store: JSON, sealed under a key of its own for each (rules K1, K2)."""

import json
import logging
import sqlite3

from leasehold.errors import Unavailable
from leasehold.keys.envelope import Envelope
from leasehold.leases.store import Document

logger = logging.getLogger(__name__)

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
    return [_opened(row, envelope) for row in db.execute(f"{query} ORDER BY name", values)]


def sound(db: sqlite3.Connection, envelope: Envelope, kind: str) -> list[Document]:
    """The documents of a kind that open, by name; the log names the others."""
    found = []
    for row in db.execute(f"{_SELECT} ORDER BY name", [kind]):
        try:
            found.append(_opened(row, envelope))
        except Unavailable as damage:
            logger.error("%s %s counts as missing: %s", kind, row["name"], damage)
    return found


def _opened(row: sqlite3.Row, envelope: Envelope) -> Document:
    place = row["kind"], row["name"]
    return Document(*place, json.loads(envelope.open(row["sealed"], "document", *place)))
