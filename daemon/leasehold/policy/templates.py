"""Templates of account names: they dress the computed core and never replace it (rule W3). Pure."""

import re

CORE_LENGTH = 28
_TIMESTAMP_LENGTH = 10
_CORE = re.compile(r"\{\{(name|username|randomUsername)\}\}")
_TIMESTAMP = "{{timestamp}}"
_AROUND = re.compile(r"[a-z0-9_]*")


def faults(template: str, name_limit: int) -> list[str]:
    """What is wrong with a template for names of at most `name_limit` bytes, one line each."""
    cores = _CORE.findall(template)
    if len(cores) != 1:
        return [
            f"has {len(cores)} of {{{{name}}}}; it must stand there once, for the account's core"
        ]
    around = _CORE.sub("", template).replace(_TIMESTAMP, "", 1)
    if not _AROUND.fullmatch(around):
        return [
            f"has '{around}' around {{{{name}}}}; allowed are a-z, 0-9, _ and {_TIMESTAMP} once"
        ]
    if template.startswith(_TIMESTAMP) or around[:1].isdigit() and not _CORE.match(template):
        return ["must begin with a letter"]
    length = len(around) + CORE_LENGTH + (_TIMESTAMP_LENGTH if _TIMESTAMP in template else 0)
    if length > name_limit:
        return [f"makes names of {length} characters; the target takes {name_limit}"]
    return []
