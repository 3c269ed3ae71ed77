"""Policy files as text, with comments, which PyYAML does not write. Pure.

PyYAML writes each entry, so it quotes what needs quotes; comments stand in lines of their own.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from leasehold.importing.notes import one_line

MODELINE = "# yaml-language-server: $schema=.schema.json"
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of a policy, and what the comment above it says, a paragraph each."""

    value: Any
    comments: Sequence[str] = ()


Section = Mapping[str, Entry] | Sequence[Entry]
"""A map by name, or a list."""


def file_text(about: Sequence[str], sections: Mapping[str, Section]) -> str:
    """A policy file: the line for editors, what it is about, and its sections."""
    parts = ["\n".join((MODELINE, *comment(about, 0))), *map(_section, sections.items())]
    return "\n".join(parts) + "\n"


def comment(paragraphs: Iterable[str], indent: int) -> list[str]:
    """The lines of a comment."""
    start = " " * indent + "# "
    return [
        start + line
        for paragraph in paragraphs
        for line in textwrap.wrap(
            one_line(paragraph),
            _WIDTH - len(start),
            break_on_hyphens=False,
            break_long_words=False,
        )
    ]


def _section(named: tuple[str, Section]) -> str:
    name, entries = named
    if not entries:
        return f"{name}: {'{}' if isinstance(entries, Mapping) else '[]'}"
    lines = [f"{name}:"]
    if isinstance(entries, Mapping):
        for key, entry in sorted(entries.items()):
            lines += [*comment(entry.comments, 2), *_value({key: entry.value})]
    else:
        for entry in entries:
            lines += [*comment(entry.comments, 2), *_value([entry.value])]
    return "\n".join(lines)


def _value(value: Any) -> list[str]:
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=float("inf"))
    return [f"  {line}" if line else "" for line in text.removesuffix("\n").split("\n")]


class _Dumper(yaml.SafeDumper):
    """Lists stand deeper than their key, and a text of several lines as such."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\n" in text:
        # As a block, what begins or ends with empty lines would run into what stands around it.
        style = '"' if text[0].isspace() or text.endswith("\n\n") else "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
