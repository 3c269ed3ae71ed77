"""Addresses of nodes, paths of requests, and what is told of replies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from leasehold.plugin import EnginePermanent, Secret
from leasehold_plugins.elasticsearch.addresses import addresses, parse
from leasehold_plugins.elasticsearch.errors import refused, told
from leasehold_plugins.elasticsearch.paths import lists, segment
from leasehold_plugins.elasticsearch.wire import basic


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://search.internal", "https://search.internal:9200"),
        ("https://search.internal:443/", "https://search.internal"),
        ("https://proxy.internal:8443/search/", "https://proxy.internal:8443/search"),
        ("http://127.0.0.1:9201", "http://127.0.0.1:9201"),
        ("http://localhost", "http://localhost:9200"),
        ("http://[::1]:9200", "http://[::1]:9200"),
    ],
)
def test_an_address_has_a_port_and_no_end(text: str, url: str) -> None:
    address = parse(text, "url")
    assert address.url == url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("search.internal:9200", "is no address"),
        ("ftp://search.internal", "is no address"),
        ("https://", "is no address"),
        ("https://search.internal:99999", "is no address"),
        ("https://root:correct-horse@search.internal", "has a user or a password in it"),
        ("https://search.internal?x=correct-horse", "has parameters"),
        ("http://search.internal:9200", "write https://"),
        ("http://127.example:9200", "write https://"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_secrets(
    text: str, said: str
) -> None:
    with pytest.raises(EnginePermanent) as error:
        parse(text, "url")
    assert str(error.value).startswith("connection.url ")
    assert said in str(error.value)
    assert "correct-horse" not in str(error.value)


def test_nodes_that_are_named_twice_are_asked_once() -> None:
    named = {"url": Secret("https://a"), "nodes": ["https://b", "https://a:9200"]}
    assert [str(it) for it in addresses(named)] == ["a:9200", "b:9200"]


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_a_name_is_one_segment_of_a_path(name: str) -> None:
    url = URL(f"https://a/_security/user/{segment(name)}", encoded=True)
    assert "/" not in segment(name)
    assert url.query_string == ""


@given(st.lists(st.text(alphabet="abc_/é", min_size=1, max_size=255)))
def test_lists_hold_every_name_and_fit_into_a_line(names: list[str]) -> None:
    found = list(lists(names))
    assert [name for part in found for name in part.split(",")] == [segment(it) for it in names]
    assert all(len(part) <= 3000 for part in found)


def test_a_login_is_encoded_as_utf_8() -> None:
    assert basic("lh", "pä:ss").reveal() == "Basic bGg6cMOkOnNz"


@given(st.integers(400, 599), st.text(), st.text())
def test_no_words_of_a_reply_are_told(status: int, kind: str, reason: str) -> None:
    data = {"error": {"type": kind, "reason": reason}, "status": status}
    error, without = (refused(status, it, "search:9200", "do this") for it in (data, {}))
    assert str(error) == str(without).replace(f"({status})", f"({told(status, data)})")
    assert type(error) is type(without)
    assert set(told(status, data)) <= set("0123456789 abcdefghijklmnopqrstuvwxyz_")


@pytest.mark.parametrize("data", [None, [], "text", 3, {"error": "text"}, {"error": {"type": 3}}])
def test_replies_of_any_shape_are_told_by_their_status(data: object) -> None:
    assert told(418, data) == "418"
