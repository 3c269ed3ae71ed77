"""A policy while it is put together: its sections, what was left out, and what has to be known."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from leasehold.importing.notes import Notes
from leasehold.importing.yaml_text import Entry


@dataclass(frozen=True, slots=True)
class Place:
    """A role that was taken over: where it is asked for, in Vault and here, and what differs.

    `lasted_s` is how long its leases lasted in Vault, by default and at most. `warnings` are the
    loader's; `groups` are the roles that each account became a member of, `grants` what else it got
    by GRANT, up to where its name stood.
    """

    theirs: str
    ours: str
    role: str
    lasted_s: tuple[int, int]
    warnings: tuple[str, ...]
    groups: tuple[str, ...]
    grants: tuple[str, ...]


@dataclass(slots=True)
class Draft:
    """The sections by name, and the roles that were taken over."""

    engines: dict[str, Entry] = field(default_factory=dict)
    roles: dict[str, Entry] = field(default_factory=dict)
    lease_limits: dict[str, Entry] = field(default_factory=dict)
    password_policies: dict[str, Entry] = field(default_factory=dict)
    identities: dict[str, Entry] = field(default_factory=dict)
    access: list[Entry] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)

    def refuse(self, section: str, about: str, why: str) -> None:
        """Leave out what stands at `about` in the source."""
        self.notes.add(about, f"was not taken over: {why}")
        self.refused.append((section, f"Not taken over: {about}: {why}"))

    def refused_of(self, *sections: str) -> Iterator[str]:
        """A line for each thing that was left out of these sections."""
        return (line for section, line in self.refused if section in sections)
