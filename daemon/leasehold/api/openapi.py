"""The interface as an OpenAPI 3.1 document, made from the table of routes. Pure.

https://spec.openapis.org/oas/v3.1.0. Its methods are fixed, so LIST stands as GET with `list=true`,
which is the same here. A path with `…` takes the rest, slashes too, which OpenAPI cannot say.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, get_type_hints

from leasehold import __version__
from leasehold.api.described import Description, Field, Holds, description_of, summary_of
from leasehold.api.problems import internal, status_of
from leasehold.api.routes import Route, routes
from leasehold.errors import (
    Invalid,
    LeaseholdError,
    LimitReached,
    NotFound,
    TooLarge,
    Unavailable,
    Unsupported,
)

Object = dict[str, Any]

EMPTY = (202, 204)
"""Statuses without a body."""
_ALWAYS = (Invalid, TooLarge, LimitReached, Unavailable)
"""What any route may refuse with."""
_PLACE = re.compile(r"\{(\w+)(…?)\}")
_TEXT = {"type": "string"}
_SCHEMAS: Mapping[Holds, Object] = {
    Holds.TEXT: _TEXT,
    Holds.TEXTS: {"anyOf": [{"type": "array", "items": _TEXT}, _TEXT]},
    Holds.PAIRS: {
        "type": "array",
        "items": {"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 2},
    },
    Holds.MAP: {"type": "object", "additionalProperties": _TEXT},
    Holds.FLAG: {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}]},
    Holds.COUNT: {"type": "integer", "minimum": 1},
    Holds.SPAN: {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d))+$"},
        ]
    },
}
_MEANINGS: Mapping[int, str] = {
    200: "Done.",
    202: "Taken, and not done yet.",
    204: "Done; there is nothing to tell.",
    400: "Malformed, or against a rule that the caller can mend.",
    403: "No rule of the policy allows it.",
    404: "No such thing, or nothing to list.",
    405: "It is not done here; the text says what is.",
    409: "It is not as it was when it was looked at, or a limit of safety is broken.",
    413: "Over a limit of size.",
    423: "Frozen by an open incident.",
    429: "Over a limit of count or rate; see Retry-After.",
    500: "A defect of leasehold; the log has it under the request's id.",
    502: "The target did not answer, or said no.",
    503: "leasehold cannot keep its promise now; see Retry-After.",
}
_ENVELOPE: Object = {
    "type": "object",
    "required": ["request_id", "lease_id", "renewable", "lease_duration", "data", "warnings"],
    "properties": {
        "request_id": {"type": "string", "format": "uuid"},
        "lease_id": _TEXT,
        "renewable": {"type": "boolean"},
        "lease_duration": {"type": "integer", "description": "Seconds."},
        "data": {"type": ["object", "null"]},
        "wrap_info": {"type": ["object", "null"]},
        "warnings": {"type": ["array", "null"], "items": _TEXT},
        "auth": {"type": ["object", "null"]},
        "mount_type": _TEXT,
        "leasehold": {"type": "object"},
    },
}
_REFUSAL: Object = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {"type": "array", "items": _TEXT},
        "code": _TEXT,
        "request_id": {"type": "string", "format": "uuid"},
    },
}


def table() -> tuple[Route, ...]:
    """The routes with classes for handlers: to be described, not to be called."""
    stand_ins = [
        _stand_in(kind) for name, kind in get_type_hints(routes).items() if name != "return"
    ]
    return routes(*stand_ins)


def document() -> Object:
    """The whole document."""
    paths: dict[str, Object] = {}
    for route in table():
        item = paths.setdefault(_PLACE.sub(r"{\1}", route.url), {})
        for method, operation in _operations(route):
            item[method] = _merged(item[method], operation) if method in item else operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "leasehold",
            "version": __version__,
            "summary": "Credentials that die on their own.",
            "description": "Served as HTTP/1.1 over a Unix socket. Who asks is what the kernel says"
            " of its other end. Fields of a body may stand in the query as well.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {"url": "http://localhost", "description": "any name; the socket is the place"}
        ],
        "paths": paths,
        "components": {
            "schemas": {"Envelope": _ENVELOPE, "Refusal": _REFUSAL},
            "responses": {
                str(status): _response(status, _ref("schemas", "Refusal"))
                for status in _MEANINGS
                if status >= 400
            },
        },
    }


def _stand_in(kind: Any) -> Any:
    """A handlers' class for itself; those that hold several are made, of classes."""
    parts = get_type_hints(kind) if is_dataclass(kind) else {}
    return kind(**{name: _stand_in(of) for name, of in parts.items()}) if parts else kind


def _operations(route: Route) -> Iterator[tuple[str, Object]]:
    about = description_of(route.handler)
    summary, more = summary_of(route.handler)
    for method in sorted(route.methods):
        listing = method == "LIST"
        told: Object = {
            "operationId": _id(method, route),
            "summary": summary,
            "tags": [_tag(route)],
            "parameters": [*_places(route), *([_LISTING] if listing else [])],
            "responses": dict(_responses(about, route, without_get=route.methods == {"LIST"})),
        }
        if more:
            told["description"] = more
        if method in ("PUT", "POST", "PATCH"):
            if about.fields:
                told["requestBody"] = _body(about.fields)
        else:
            told["parameters"] += map(_parameter, about.fields)
        yield ("get" if listing else method.lower()), told


_LISTING: Object = {
    "name": "list",
    "in": "query",
    "required": True,
    "description": "Makes it LIST, which may be sent as a method too.",
    "schema": {"const": "true"},
}


def _merged(one: Object, other: Object) -> Object:
    """GET and LIST at one path, as the one operation that OpenAPI has for them: GET's."""
    one, other = sorted((one, other), key=lambda it: it["operationId"].startswith("list-"))
    known = {each["name"] for each in one["parameters"]}
    others = [{**each, "required": each["in"] == "path"} for each in other["parameters"]]
    return {
        **one,
        "parameters": [*one["parameters"], *(each for each in others if each["name"] not in known)],
        "responses": {**other["responses"], **one["responses"]},
    }


def _id(method: str, route: Route) -> str:
    words = re.findall(r"\w+", route.path) + (["all"] if route.path.endswith("/") else [])
    return "-".join([method.lower(), *words])


def _tag(route: Route) -> str:
    """What a route belongs to: the first part of its path, engines' mounts being one thing."""
    first = route.path.strip("/").partition("/")[0]
    return "engines" if first.startswith("{") else first


def _places(route: Route) -> Iterator[Object]:
    for name, rest in _PLACE.findall(route.path):
        place = {"name": name, "in": "path", "required": True, "schema": {**_TEXT, "minLength": 1}}
        yield {**place, "description": "May hold slashes."} if rest else place


def _parameter(field: Field) -> Object:
    return {
        "name": field.name,
        "in": "query",
        "required": field.must,
        "description": field.about,
        "schema": _SCHEMAS[field.holds],
    }


def _body(fields: Sequence[Field]) -> Object:
    must = [field.name for field in fields if field.must]
    schema: Object = {
        "type": "object",
        "properties": {
            field.name: {"description": field.about, **_SCHEMAS[field.holds]} for field in fields
        },
    }
    if must:
        schema["required"] = must
    return {"required": bool(must), "content": {"application/json": {"schema": schema}}}


def _responses(
    about: Description, route: Route, *, without_get: bool
) -> Iterator[tuple[str, Object]]:
    for status in about.answers:
        yield str(status), _response(status, _schema(about), about.content)
    refused = {*_statuses(about, route), *([status_of(Unsupported)] if without_get else [])}
    for status in sorted(refused):
        yield str(status), _ref("responses", str(status))


def _response(status: int, schema: Object, content: str = "application/json") -> Object:
    told: Object = {"description": _MEANINGS[status]}
    return {**told, "content": {content: {"schema": schema}}} if status not in EMPTY else told


def _statuses(about: Description, route: Route) -> Iterator[int]:
    kinds: Iterable[type[LeaseholdError]] = (*_ALWAYS, *about.refusals)
    yield internal("").status
    for kind in kinds:
        yield status_of(kind)
    if _PLACE.search(route.path):  # what stands in the path may be no path
        yield status_of(NotFound)


def _schema(about: Description) -> Object:
    if about.content != "application/json":
        return _TEXT
    return _ref("schemas", "Envelope") if about.enveloped else {"type": "object"}


def _ref(kind: str, name: str) -> Object:
    return {"$ref": f"#/components/{kind}/{name}"}
