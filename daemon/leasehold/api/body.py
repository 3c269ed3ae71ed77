"""From the bytes of a request to its fields, within limits (rules H1, H2, H4)."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from aiohttp import web

from leasehold.errors import Invalid, TooLarge

BODY_BYTES = 65_536
BUNDLE_BYTES = 32 << 20
"""For routes that take a whole policy; only operators reach them."""
QUERY_BYTES = 2_048
BODY_S = 10.0
"""How long the whole body may take; aiohttp itself waits for a stalled one for ever."""
MAX_DEPTH = 16
MAX_KEYS = 256
_FORM = "application/x-www-form-urlencoded"
_CONTROL_KEYS = frozenset({"list", "scan", "help"})


async def read_values(request: web.BaseRequest, most: int = BODY_BYTES) -> dict[str, Any]:
    """What the body, of `most` bytes, and the query say. Raises Invalid, TooLarge.

    The body is JSON whatever Content-Type says, since Go clients send none, unless it is declared
    and looks like a form.
    """
    query = request.rel_url.raw_query_string
    if len(query) > QUERY_BYTES:
        raise TooLarge(f"the query has {len(query)} bytes; allowed are {QUERY_BYTES}")
    values = _form(query)
    for key in _CONTROL_KEYS & values.keys():
        del values[key]
    data = (await _read(request, most)).strip()
    if data:
        is_form = request.content_type == _FORM and data[:1] not in (b"{", b"[")
        values |= _form(_text(data)) if is_form else _object(data)
    return values


async def _read(request: web.BaseRequest, most: int) -> bytes:
    if not request.body_exists:
        return b""
    declared = request.content_length
    if declared is not None and declared > most:
        raise TooLarge(f"the body has {declared} bytes; allowed are {most}")
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while chunk := await request.content.readany():
                data += chunk
                if len(data) > most:
                    raise TooLarge(f"the body has more than the {most} bytes allowed")
    except TimeoutError:
        raise Invalid(f"the body did not arrive within {BODY_S:g} s") from None
    except web.RequestPayloadError as error:
        raise Invalid("the body is not well-formed HTTP") from error
    return bytes(data)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Invalid("the body is not a text in UTF-8") from None


def _form(text: str) -> dict[str, Any]:
    """A query or a form as fields; a name that stands more than once becomes a list."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_KEYS, errors="strict")
    except ValueError:
        raise Invalid(f"the query or form is broken, or has more than {MAX_KEYS} fields") from None
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            known = values[name]
            values[name] = [*known, value] if isinstance(known, list) else [known, value]
        else:
            values[name] = value
    return values


def _object(data: bytes) -> dict[str, Any]:
    keys = 0

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal keys
        keys += len(pairs)
        if keys > MAX_KEYS:
            raise TooLarge(f"the body has more than the {MAX_KEYS} keys allowed")
        made = dict(pairs)
        if len(made) != len(pairs):
            raise Invalid("the body names a key twice; remove one")
        return made

    try:
        value = json.loads(_text(data), object_pairs_hook=unique, parse_constant=_no_constant)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        place = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise Invalid(f"the body is not JSON{place}; send an object such as {{}}") from None
    if value is None:  # Vault's Go client and command line, for a write without fields
        return {}
    if not isinstance(value, dict):
        raise Invalid('the body is not a JSON object; send one such as {"lease_id": "…"}')
    if max(_depths(value, 1)) > MAX_DEPTH:
        raise _too_deep()
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Invalid("the body holds half a surrogate pair, which is no character") from None
    return value


def _depths(value: object, depth: int) -> Iterator[int]:
    yield depth
    if depth > MAX_DEPTH:
        return
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _depths(each, depth + 1)


def _too_deep() -> Invalid:
    return Invalid(f"the body is nested more than {MAX_DEPTH} levels deep")


def _no_constant(name: str) -> NoReturn:
    raise Invalid(f"the body holds {name}, which is no JSON number")
