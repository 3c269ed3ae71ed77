"""Whether a secret stands anywhere: as it is, or in the dresses in which text gets written down.

All secrets are looked for at once: the first eight bytes of every form are a number, and a file is
eight rows of numbers, one for each offset; what both have in common is then looked at in full.
"""

import base64
import struct
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

HALF = 16


def dresses(secret: str) -> Iterator[tuple[str, bytes]]:
    """The names and the bytes under which `secret` might stand."""
    raw = secret.encode()
    yield "as it is", raw
    yield "in part", raw[:HALF]
    yield "in part", raw[-HALF:]
    yield "in hexadecimal", raw.hex().encode()
    yield "in UTF-16", secret.encode("utf-16-le")
    yield "reversed", raw[::-1]
    for shift in range(3):  # base64 depends on what stands before
        text = base64.b64encode(b"\0" * shift + raw)
        yield "in base64", text[4 if shift else 0 : -4]


def leaks(secrets: Iterable[str], files: Iterable[Path]) -> list[str]:
    """One line for each secret that stands in a file; it tells the file and never the secret."""
    wanted: defaultdict[int, list[tuple[int, str, bytes]]] = defaultdict(list)
    for number, secret in enumerate(secrets):
        for name, form in dresses(secret):
            wanted[_number(form)].append((number, name, form))
    found: dict[tuple[str, int], str] = {}
    for file in files:
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            continue
        for key in _numbers(data) & wanted.keys():
            for number, name, form in wanted[key]:
                if form in data:
                    found.setdefault((file.name, number), name)
    return [
        f"{name}: password {number} of those looked for, {dress}"
        for (name, number), dress in found.items()
    ]


def _number(form: bytes) -> int:
    [number] = struct.unpack_from("=Q", form)
    return int(number)


def _numbers(data: bytes) -> set[int]:
    """Every eight bytes that follow each other in `data`, as numbers."""
    found: set[int] = set()
    for shift in range(8):
        length = (len(data) - shift) // 8 * 8
        found.update(array("Q", data[shift : shift + length]))
    return found
