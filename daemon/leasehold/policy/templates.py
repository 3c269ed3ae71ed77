"""Templates of account names: they dress the computed core and never replace it (rule W3). Pure."""

import re

CORE_LENGTH = 28
_TIMESTAMP_LENGTH = 10
_CORES = ("{{name}}", "{{username}}", "{{randomUsername}}")
_TIMESTAMP = "{{timestamp}}"
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}")
_LITERAL = re.compile(r"[a-z0-9_]*")


def faults(template: str, name_limit: int) -> list[str]:
    """What is wrong with a template for names of at most `name_limit` bytes, one line each."""
    found = _PLACEHOLDER.findall(template)
    unknown = [each for each in found if each not in (*_CORES, _TIMESTAMP)]
    if unknown:
        return [f"unknown placeholder {unknown[0]}; allowed are {{{{name}}}} and {_TIMESTAMP}"]
    if len(found) - found.count(_TIMESTAMP) != 1:
        return ["{{name}} must stand in it once, for the computed part of the account's name"]
    if found.count(_TIMESTAMP) > 1:
        return [f"{_TIMESTAMP} stands in it twice; once is enough"]
    literal = _PLACEHOLDER.sub("", template)
    if not _LITERAL.fullmatch(literal):
        return [f"found '{literal}' around the placeholders; allowed are a-z, 0-9 and _"]
    if not template.startswith((*_CORES, *"abcdefghijklmnopqrstuvwxyz")):
        return ["the name must begin with a letter; begin with one, or with {{name}}"]
    length = len(literal) + CORE_LENGTH + _TIMESTAMP_LENGTH * found.count(_TIMESTAMP)
    if length > name_limit:
        return [f"makes names of {length} characters; the target takes {name_limit}"]
    return []
