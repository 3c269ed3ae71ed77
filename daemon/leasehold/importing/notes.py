"""What somebody has to know of an import, and where it was found."""

from dataclasses import dataclass, field
from typing import NamedTuple

from leasehold.policy.problems import printable


class Note(NamedTuple):
    """`text` says what of `about`, a path in the source, has no equal, and what to do about it."""

    about: str
    text: str


@dataclass(slots=True)
class Notes:
    """Notes in the order in which they were made."""

    found: list[Note] = field(default_factory=list)

    def add(self, about: str, text: str) -> None:
        """Note `text`, in one line whatever the source has put into it."""
        self.found.append(Note(one_line(about), one_line(text)))


def one_line(text: str) -> str:
    """The text in one line, with nothing in it that a terminal would obey."""
    return printable(" ".join(text.split()))
