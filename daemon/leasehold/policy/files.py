"""Policy files as plain data, with the place of every key and value. Pure.

The files are composed to nodes and not constructed, since only nodes know where they stand. What
YAML does beyond maps, lists and scalars is refused: anchors, tags, merge keys, several documents
(rule Y1). `no`, `010` and `1e3` stay texts.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from leasehold.policy.problems import Path, Place, Places, Problem, dotted
from leasehold.policy.texts import Unreadable, decoded

MAX_DEPTH = 20
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,99})")
_SCALARS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}
_BARE_BRACES = re.compile(r"[:,\[-]\s*\{\{")
_EMPTY = "the file is empty; write a map such as `roles:`, or remove the file"


def read(file: str, data: bytes) -> tuple[dict[str, Any] | None, Places, list[Problem]]:
    """The map in one file, where everything stands, and what is wrong with it.

    Reading stops at the first fault of syntax, and the map is None then; keys that stand twice are
    all collected.
    """
    reader = _Reader(file)
    try:
        return reader.read(decoded(file, data)), reader.places, reader.problems
    except Unreadable as unreadable:
        return None, reader.places, [*reader.problems, unreadable.problem]


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file
        self.places = Places()
        self.problems: list[Problem] = []

    def read(self, text: str) -> dict[str, Any]:
        try:
            self._refuse_extras(text)
            node = yaml.compose(text, Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            raise self._not_yaml(error, text.splitlines()) from error
        if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
            raise Unreadable(Place(self._file, 1, 1), _EMPTY)
        if not isinstance(node, yaml.MappingNode):
            found = f"found {_kind(node)}; a policy file is a map such as `roles:`"
            raise Unreadable(self._at(node.start_mark), found)
        made: dict[str, Any] = self._value(node, ())
        return made

    def _refuse_extras(self, text: str) -> None:
        """What is refused is seen before anything is composed, so that nothing can explode."""
        documents = depth = 0
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            place = self._at(event.start_mark)
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise Unreadable(place, "anchors and aliases are not read; write the value out")
            if tag := getattr(event, "tag", None):
                shown = tag.replace("tag:yaml.org,2002:", "!!")
                raise Unreadable(place, f"the tag {shown} is not read; remove it")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise Unreadable(place, f"is nested more than {MAX_DEPTH} levels deep")
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                raise Unreadable(place, "a second document begins; a file holds one, split it")

    def _not_yaml(self, error: yaml.MarkedYAMLError, lines: list[str]) -> Unreadable:
        begun: Any = error.context_mark
        place = self._at(error.problem_mark or begun)
        if place.line > len(lines):  # the end of the file; what never closed began before it
            place = self._at(begun)
        if place.line > len(lines):
            place = Place(self._file, len(lines), len(lines[-1]) + 1)
        line = lines[place.line - 1]
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent:
            place = Place(self._file, place.line, indent.index("\t") + 1)
            return Unreadable(place, "a tab indents the line; YAML indents with spaces")
        words = f"not YAML: {error.problem or 'cannot be read'}"
        if error.context:
            words += f", {error.context}"
        if begun and begun.line + 1 < place.line:
            words += f" that begins in line {begun.line + 1}"
        if _BARE_BRACES.search(line):
            words += "; a value that begins with {{ needs quotes around it"
        if error.context in ("while scanning an alias", "while scanning an anchor"):
            words += "; a value that begins with * or & needs quotes around it"
        return Unreadable(place, words)

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self.places.values[path] = self._at(node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return dict(self._entries(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        if "\0" in node.value:
            self._problem(path, self.places.values[path], "holds a NUL character; remove the \\0")
        return _scalar(node)

    def _entries(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, Any]]:
        seen: dict[str, Place] = {}
        for key_node, value_node in node.value:
            place = self._at(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                found = f"found {_kind(key_node)} as a key; keys are texts"
                if isinstance(key_node, yaml.MappingNode):
                    found += ", and a value with {{…}} needs quotes around it"
                raise Unreadable(place, found, dotted(path))
            key = key_node.value
            inner = (*path, key)
            if key == "<<" and not key_node.style:
                found = "merge keys are not read; write the values out"
                raise Unreadable(place, found, dotted(path))
            if key in seen:
                found = f"the key stands twice, first in line {seen[key].line}; remove one"
                self._problem(inner, place, found)
                continue
            seen[key] = self.places.keys[inner] = place
            yield key, self._value(value_node, inner)

    def _problem(self, path: Path, place: Place, message: str) -> None:
        self.problems.append(Problem(place, dotted(path), message))

    def _at(self, mark: Any) -> Place:
        if mark is None:
            return Place(self._file, 1, 1)
        return Place(self._file, mark.line + 1, mark.column + 1)


def _scalar(node: yaml.Node) -> Any:
    text: str = node.value
    if getattr(node, "style", None):
        return text  # quoted, or a block: a text whatever it looks like
    if text in _SCALARS:
        return _SCALARS[text]
    return int(text) if _INTEGER.fullmatch(text) else text


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a map"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
