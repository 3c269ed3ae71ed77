"""The document says what the table of routes and the code of the handlers say."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from leasehold.api.described import Holds, description_of, summary_of
from leasehold.api.openapi import document, table
from leasehold.api.routes import Route

ROUTES = table()
HANDLERS = {route.handler.__qualname__: route.handler for route in ROUTES}
_PLACE = re.compile(r"\{\w+\}")


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return document()


def operations(told: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in told["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_it_is_openapi_by_its_own_schema(told: dict[str, Any]) -> None:
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(told)] == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{sorted(route.methods)} {route.url}")
def test_every_route_stands_in_it(route: Route, told: dict[str, Any]) -> None:
    item = told["paths"][route.url.replace("…", "")]
    for method in route.methods:
        operation = item["get" if method == "LIST" else method.lower()]
        places = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
        assert places == re.findall(r"\{(\w+)…?\}", route.path)
        if method == "LIST":
            assert "list" in [each["name"] for each in operation["parameters"]]


def test_get_and_list_at_one_path_are_get_which_may_list(told: dict[str, Any]) -> None:
    get = told["paths"]["/v1/sys/policy"]["get"]
    [place] = get["parameters"]
    assert (get["operationId"], place["name"], place["required"]) == (
        "get-sys-policy",
        "list",
        False,
    )
    [place] = told["paths"]["/v1/sys/leases/lookup/"]["get"]["parameters"]
    assert (place["name"], place["required"]) == ("list", True)


def test_nothing_stands_in_it_twice(told: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(told)]
    assert len(names) == len(set(names))
    paths = [_PLACE.sub("{}", path) for path in told["paths"]]
    assert len(paths) == len(set(paths)), "two paths that differ in the names of their places only"


def test_every_reference_leads_somewhere(told: dict[str, Any]) -> None:
    for found in re.findall(r"\'\$ref\': \'#/([^\']+)\'", str(told)):
        at: Any = told
        for part in found.split("/"):
            at = at[part]
        assert at


def test_whatever_may_be_refused_is_among_the_responses(told: dict[str, Any]) -> None:
    for path, method, operation in operations(told):
        assert {"400", "413", "429", "503"} <= operation["responses"].keys(), (method, path)
    issue = told["paths"]["/v1/{mount}/{operation}/{role}"]["post"]["responses"]
    assert issue.keys() >= {"200", "400", "403", "404", "429", "502"}
    revoke = told["paths"]["/v1/sys/leases/revoke"]["put"]["responses"]
    assert revoke.keys() >= {"202", "204"}
    assert "200" not in revoke
    write = told["paths"]["/v1/{mount}/roles/{name}"]["post"]["responses"]
    assert "405" in write
    assert not write.keys() & {"200", "204"}


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_every_handler_says_what_it_does(name: str) -> None:
    summary, _ = summary_of(HANDLERS[name])
    assert re.fullmatch(r"[A-Z].*\.", summary)


def _code_of(function: Callable[..., Any]) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def _reads(function: Callable[..., Any], seen: set[str]) -> Iterator[tuple[str, str]]:
    """The fields that a handler reads, itself or through functions of its module and class."""
    module = inspect.getmodule(function)
    kind = getattr(module, function.__qualname__.partition(".")[0], None)
    for node in ast.walk(_code_of(function)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr="fields"), attr=reader),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name, reader
            case (
                ast.Call(func=ast.Name(id=called))
                | ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=called))
            ):
                inner = getattr(kind, called, None) or getattr(module, called, None)
                if inspect.isfunction(inner) and called not in seen:
                    yield from _reads(inner, {*seen, called})


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_the_fields_that_are_told_are_those_that_are_read(name: str) -> None:
    handler = HANDLERS[name]
    read = dict(_reads(inspect.unwrap(handler), set()))
    told = {each.name: each.holds.value for each in description_of(handler).fields}
    missing = {field: reader for field, reader in read.items() if told.get(field) != reader}
    assert not missing, f"tell of them with @described(Field(…)) at {name}"
    assert told.keys() == read.keys() or name in BY_OTHERS


BY_OTHERS = {
    "SecretsHandlers.read": "reads ttl through the handler of issue",
    "SecretsHandlers.rotate": "reads ttl through the handler of issue",
    "StateHandlers.health": "reads the names of a list",
}


def test_every_sort_of_field_has_a_reader() -> None:
    from leasehold.api.fields import Fields

    assert all(hasattr(Fields, holds) for holds in Holds)
