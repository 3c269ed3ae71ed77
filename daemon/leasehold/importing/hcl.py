r"""As much of HCL as policies of Vault need: attributes, and blocks with at most one label. Pure.

    length = 20
    path "database/creds/app" { capabilities = ["read"] }

Values are texts, numbers, `true` and `false`, lists and maps. Of anything else (heredocs, `${…}`,
a block with two labels) it says that it does not understand, and where.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n,]+ | (?:\#|//)[^\n]* | /\*.*?\*/)
    | (?P<text>"(?:[^"\\\n]|\\.)*")
    | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
    | (?P<name>[A-Za-z_][\w.-]*)
    | (?P<mark>[{}\[\]=:])
    """,
    re.VERBOSE | re.DOTALL,
)
_MOST_DEEP = 20


class NotUnderstood(Exception):
    """The text has something else than is read here; the message says where."""


@dataclass(frozen=True, slots=True)
class Block:
    """The attributes of a body, and its blocks in order, each with its kind and label."""

    attributes: dict[str, Any] = field(default_factory=dict)
    blocks: list[tuple[str, str, "Block"]] = field(default_factory=list)


def parse(text: str) -> Block:
    """The body that `text` is, in HCL or in JSON. Raises NotUnderstood."""
    if text.lstrip().startswith("{"):
        return _from_json(text)
    reader = _Reader(text)
    body = reader.body(0)
    if reader.kind:
        raise reader.unexpected()
    return body


def _from_json(text: str) -> Block:
    """A JSON policy: what is a map of maps stands for blocks, anything else for attributes."""
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise NotUnderstood("it begins as JSON and is none, or has a key twice") from None
    body = Block()
    for kind, value in document.items():
        if isinstance(value, Mapping) and all(isinstance(it, Mapping) for it in value.values()):
            body.blocks.extend((kind, label, Block(dict(it))) for label, it in value.items())
        else:
            body.attributes[kind] = value
    return body


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError(pairs)
    return made


class _Reader:
    """Stands at one token: its `kind` (empty at the end) and `word`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = self._next = 0
        self.kind = self.word = ""
        self.advance()

    def unexpected(self) -> NotUnderstood:
        line = self._text.count("\n", 0, self._at) + 1
        return NotUnderstood(f"line {line}: found {self.word[:30] or 'the end'!r}")

    def advance(self) -> str:
        """The word that we stood at."""
        before = self.word
        while True:
            self._at = self._next
            found = _TOKEN.match(self._text, self._at)
            if found is None:
                self.kind, self.word = "", self._text[self._at :].partition("\n")[0]
                if self.word or self._at < len(self._text):
                    raise self.unexpected()
                return before
            self._next = found.end()
            if found.lastgroup != "space":
                self.kind, self.word = found.lastgroup or "", found[0]
                return before

    def body(self, depth: int) -> Block:
        """What stands between braces, or in the whole text."""
        body = Block()
        while self.kind in ("name", "text"):
            key = self._key()
            if self.kind == "mark" and self.word in ("=", ":"):
                self.advance()
                if key in body.attributes:
                    raise self.unexpected()
                body.attributes[key] = self._value(depth)
                continue
            label = self._key() if self.kind == "text" else ""
            self._expect("{")
            if depth > _MOST_DEEP:
                raise self.unexpected()
            body.blocks.append((key, label, self.body(depth + 1)))
            self._expect("}")
        return body

    def _key(self) -> str:
        return self._unquoted() if self.kind == "text" else self.advance()

    def _unquoted(self) -> str:
        if "${" in self.word:
            raise self.unexpected()
        try:
            text: str = json.loads(self.word)
        except ValueError:
            raise self.unexpected() from None
        self.advance()
        return text

    def _value(self, depth: int) -> Any:
        if self.kind == "text":
            return self._unquoted()
        if self.kind == "number":
            word = self.advance()
            return float(word) if "." in word else int(word)
        if self.kind == "name" and self.word in ("true", "false"):
            return self.advance() == "true"
        if depth > _MOST_DEEP:
            raise self.unexpected()
        if self.word == "[":
            self.advance()
            items = []
            while self.word != "]":
                items.append(self._value(depth + 1))
            self.advance()
            return items
        self._expect("{")
        body = self.body(depth + 1)
        self._expect("}")
        if body.blocks:
            raise self.unexpected()
        return body.attributes

    def _expect(self, mark: str) -> None:
        if self.kind != "mark" or self.word != mark:
            raise self.unexpected()
        self.advance()
