"""Heads of the audit that somebody outside kept: `SEQ:MAC`, or the messages they came in."""

import json
import re
from pathlib import Path

from leasehold.errors import ConfigError
from leasehold.model import AuditHead

FORM = "SEQ:MAC, such as 90211:3f3f… with 64 hexadecimal digits"
_PAIR = re.compile(r"([1-9][0-9]{0,18}):([0-9a-f]{64})")


def parse(text: str) -> AuditHead | None:
    """The head that `text` names, None when it names none.

    It may be a message of ours, on its own or as `mosquitto_sub -v` prints it behind its topic.
    """
    text = text.strip()
    if "{" in text:
        try:
            told = json.loads(text[text.index("{") :])
            told = told.get("audit") or told  # the daemon's status has it too
            text = f"{told['seq']}:{told['mac']}"
        except (ValueError, TypeError, KeyError):
            return None
    match = _PAIR.fullmatch(text)
    return AuditHead(int(match[1]), match[2]) if match else None


def read(path: Path) -> list[AuditHead]:
    """The heads in a file, one a line. Raises OSError, and ConfigError for a line without one."""
    found = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            head = parse(line)
            if head is None:
                raise ConfigError(
                    f"{path}:{number}: not a checkpoint; allowed are {FORM}, and messages of the"
                    " topic audit/checkpoint"
                )
            found.append(head)
    return found
