"""A policy file's bytes as a text that every tool and every reader sees alike. Pure.

A text may not hold what an editor hides, or shows elsewhere than it stands: control characters,
marks that turn the direction of writing (CVE-2021-42574), line breaks that only some programs know.
"""

import re

from leasehold.policy.problems import Place, Problem

MAX_BYTES = 1 << 20
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
    "|\r(?!\n)"
)
_MARK = "\ufeff"


class Unreadable(Exception):
    """The file cannot be read any further; `problem` says where and why."""

    def __init__(self, place: Place, message: str, path: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(place, path, message)


def decoded(file: str, data: bytes) -> str:
    """The text of a file. Raises Unreadable."""
    if len(data) > MAX_BYTES:
        raise Unreadable(Place(file, 1, 1), f"is longer than {MAX_BYTES} bytes; split the file")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        found = f"found byte 0x{data[error.start]:02x}; a policy file is a text in UTF-8"
        raise Unreadable(_end(file, before), found) from error
    if text.startswith(_MARK):
        raise Unreadable(
            Place(file, 1, 1), "begins with a byte order mark; save the file as UTF-8 without one"
        )
    if hidden := _HIDDEN.search(text):
        found = f"found the character U+{ord(hidden[0]):04X}, which editors do not show; remove it"
        raise Unreadable(_end(file, text[: hidden.start()]), found)
    return text


def _end(file: str, before: str) -> Place:
    """The place of the character after `before`."""
    return Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
