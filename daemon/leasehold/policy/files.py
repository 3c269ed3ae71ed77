"""Policy files as plain data, with the place of every key and value.

The files are composed to nodes and not constructed, since only nodes know where they stand. What
YAML does beyond maps, lists and scalars is refused: anchors, tags, merge keys, several documents
(rule Y1). `no` and `1e3` stay texts.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from leasehold.policy.problems import Path, Place, Places, Problem, dotted

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_SCALARS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}


class _Refused(Exception):
    def __init__(self, place: Place, path: Path, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(place, dotted(path), message)


def read(file: str, data: bytes) -> tuple[dict[str, Any], Places, list[Problem]]:
    """The map in one file, where everything stands, and what is wrong with it.

    Reading stops at the first fault of syntax; doubles are all collected.
    """
    reader = _Reader(file)
    try:
        return reader.read(data), reader.places, reader.problems
    except _Refused as refused:
        return {}, reader.places, [*reader.problems, refused.problem]


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file
        self.places = Places()
        self.problems: list[Problem] = []

    def read(self, data: bytes) -> dict[str, Any]:
        text = self._text(data)
        try:
            for event in yaml.parse(text, Loader=yaml.CSafeLoader):
                self._refuse_extras(event)
            node = yaml.compose(text, Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise _Refused(self._at(mark), (), f"not YAML: {_yaml_words(error)}") from error
        except yaml.YAMLError as error:
            raise _Refused(
                self._start(), (), "not YAML: a character that cannot stand here"
            ) from error
        if node is None:
            raise _Refused(
                self._start(), (), "the file is empty; write a map such as `roles:`, or remove it"
            )
        if not isinstance(node, yaml.MappingNode):
            found = _kind(node)
            raise _Refused(self._at(node.start_mark), (), f"found {found}; a policy file is a map")
        made: dict[str, Any] = self._value(node, ())
        return made

    def _text(self, data: bytes) -> str:
        if len(data) > MAX_BYTES:
            raise _Refused(
                self._start(), (), f"the file has {len(data)} bytes; at most {MAX_BYTES} are read"
            )
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            before = data[: error.start]
            place = Place(self._file, before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
            raise _Refused(place, (), f"byte 0x{data[error.start]:02x} is not UTF-8") from error
        for number, line in enumerate(text.splitlines(), 1):
            indent = line[: len(line) - len(line.lstrip())]
            if "\t" in indent:
                place = Place(self._file, number, indent.index("\t") + 1)
                raise _Refused(place, (), "a tab indents the line; YAML indents with spaces")
        return text

    def _refuse_extras(self, event: yaml.Event) -> None:
        place = self._at(event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Refused(place, (), "anchors and aliases are not read; write the value out")
        if getattr(event, "tag", None):
            raise _Refused(place, (), f"the tag {event.tag} is not read; remove it")

    def _value(self, node: yaml.Node, path: Path) -> Any:
        if len(path) > MAX_DEPTH:
            raise _Refused(
                self._at(node.start_mark), (), f"nested more than {MAX_DEPTH} levels deep"
            )
        self.places.values[path] = self._at(node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return dict(self._entries(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(node)

    def _entries(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, Any]]:
        seen: dict[str, Place] = {}
        for key_node, value_node in node.value:
            place = self._at(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                raise _Refused(place, path, f"found {_kind(key_node)} as a key; keys are texts")
            key = key_node.value
            inner = (*path, key)
            if key == "<<":
                raise _Refused(place, path, "merge keys are not read; write the values out")
            if key in seen:
                message = f"the key stands twice, first in line {seen[key].line}; remove one"
                self.problems.append(Problem(place, dotted(inner), message))
                continue
            seen[key] = self.places.keys[inner] = place
            yield key, self._value(value_node, inner)

    def _start(self) -> Place:
        return Place(self._file, 1, 1)

    def _at(self, mark: yaml.Mark | None) -> Place:
        if mark is None:
            return self._start()
        return Place(self._file, mark.line + 1, mark.column + 1)


def _scalar(node: yaml.Node) -> Any:
    text: str = node.value
    if getattr(node, "style", None):
        return text  # quoted, or a block: a text whatever it looks like
    if text in _SCALARS:
        return _SCALARS[text]
    return int(text) if _INTEGER.fullmatch(text) else text


def _kind(node: yaml.Node) -> str:
    return {"mapping": "a map", "sequence": "a list"}.get(node.id, "a single value")


def _yaml_words(error: yaml.MarkedYAMLError) -> str:
    words = error.problem or error.context or "cannot be read"
    return words.replace("\n", " ")
