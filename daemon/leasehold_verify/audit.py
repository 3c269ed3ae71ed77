"""Whether the audit goes on where it stood: not cut, not set back, not behind store or broker.

That each line is the daemon's own needs the key: `leasehold audit verify`.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from leasehold_verify.finding import Finding

CHECK = "audit"
CURRENT = "audit.jsonl"
LINE_BYTES = 1 << 18


def check_audit(
    path: Path, known: Iterable[tuple[str, int | None]], memory: Path | None
) -> Finding:
    """Hold the last line at `path` against what others know of it, and what `memory` has of the
    look before; that file is then written anew.
    """
    try:
        last = _last(path)
        before = json.loads(memory.read_text())["seq"] if memory and memory.exists() else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        words = getattr(error, "strerror", None) or "not JSON"
        return Finding(CHECK, False, f"{path}: cannot be read ({words})")
    for who, seq in (*known, ("the look before", before)):
        if seq is not None and seq > last:
            return Finding(CHECK, False, f"{path}: ends with line {last}, and {who} knew {seq}")
    if memory is not None:
        try:
            new = memory.with_name(f"{memory.name}.new")
            new.write_text(json.dumps({"seq": last}))
            os.replace(new, memory)
        except OSError as error:
            return Finding(CHECK, False, f"{memory}: cannot be written ({error.strerror})")
    grown = "" if before is None else f", {last - before} more than at the look before"
    return Finding(CHECK, True, f"{path} ends with line {last}{grown}")


def _last(path: Path) -> int:
    """The number of the last whole line. Raises OSError, ValueError."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LINE_BYTES))
        *_, last, _ = [b"", b"", *file.read().split(b"\n")]
    return int(json.loads(last)["seq"]) if last else 0
