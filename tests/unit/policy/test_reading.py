"""A file becomes plain data with a place for everything, or one line that says why it does not."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leasehold.policy.files import read
from leasehold.policy.problems import Path
from leasehold.policy.texts import MAX_BYTES

SHOWN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | SHOWN
DATA = st.dictionaries(
    SHOWN.filter(lambda key: key != "<<"),
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SHOWN, inner, max_size=4),
        max_leaves=12,
    ),
    min_size=1,
    max_size=4,
)
FRAGMENTS = (
    "a", "b: ", "- ", "\n", "\n  ", "\n\t", "? ", ": ", "[", "]", "{", "}", ",", "|\n", ">-\n", "'",
    '"', "&a ", "*a", "!t ", "<<: ", "---\n", "...\n", "%YAML 1.1\n", "# c\n", "\\x", "\0", "\r",
    "\ufeff", "\u2028", "\u202e", "\ud7ff", "\U0010ffff", "{{name}}", "~", "1e3",
)  # fmt: skip


def entries(value: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    """Every path of nested data, with what stands there."""
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    return [(path, value), *(each for key, it in inner for each in entries(it, (*path, key)))]


def message(text: str | bytes) -> str:
    """The one problem with a file called f."""
    found, _, problems = read("f", text if isinstance(text, bytes) else text.encode())
    assert found is None
    [problem] = problems
    return problem.line()


@given(
    st.binary() | st.lists(st.sampled_from(FRAGMENTS)).map(lambda parts: "".join(parts).encode())
)
@example(b"a: [\xff")
@example(b"[" * 5_000)
@example(b'a: "\\ud800"')
@example(b"a: \xf0\x9f\xbf\xbe")
def test_any_bytes_are_a_map_or_a_problem(data: bytes) -> None:
    found, places, problems = read("f", data)
    if found is None:
        assert problems
    else:
        assert {path for path, _ in entries(found)} <= set(places.values)
    for problem in problems:
        assert problem.place.file == "f"
        assert problem.place.line <= data.count(b"\n") + data.count(b"\r") + 1
        assert "\n" not in problem.line()


@given(st.text())
def test_any_text_is_a_map_or_a_problem(text: str) -> None:
    found, _, problems = read("f", text.encode(errors="replace"))
    assert (found is None) <= bool(problems)


@given(DATA)
def test_plain_data_reads_back(data: dict[str, Any]) -> None:
    found, _, problems = read("f", json.dumps(data).encode())
    assert (found, problems) == (data, [])


@given(DATA)
def test_every_place_is_where_the_thing_stands(data: dict[str, Any]) -> None:
    text = json.dumps(data, indent=1)
    _, places, _ = read("f", text.encode())
    rows = text.splitlines()
    for path, value in entries(data):
        at = places.of(path)
        begins = {dict: "{", list: "["}.get(type(value), json.dumps(value))
        assert rows[at.line - 1][at.column - 1 :].startswith(begins)
        if path and isinstance(path[-1], str):
            key = places.of_key(path)
            assert rows[key.line - 1][key.column - 1 :].startswith(json.dumps(path[-1]))


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "on", "010", "0x1f", "1e3", "1.5", "1:30", "1_000", "2026-01-01", "True", "+1"],
)
def test_what_yaml_1_1_would_guess_at_stays_a_text(text: str) -> None:
    assert read("f", f"a: {text}".encode())[0] == {"a": text}


def test_quoted_values_are_texts() -> None:
    assert read("f", b"a: '1'\nb: \"true\"\nc: |\n  7\n")[0] == {"a": "1", "b": "true", "c": "7\n"}


def test_windows_line_ends_and_tabs_in_a_block_are_read() -> None:
    assert read("f", b"a:\r\n  b: 1\r\n")[0] == {"a": {"b": 1}}
    assert read("f", b"a: |\n  x\n  \ty\n")[0] == {"a": "x\n\ty\n"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\n\tb: 2", "f:2:1: a tab indents the line"),
        ("a:\n  \tb: 2", "f:2:3: a tab indents the line"),
        (b"a: \xff", "f:1:4: found byte 0xff"),
        ("a: ö\nb: ".encode() + b"\xff", "f:2:4: found byte 0xff"),
        ("\ufeffa: 1", "f:1:1: begins with a byte order mark"),
        ("a: 1\nb: x\u2028y", "f:2:5: found the character U+2028"),
        ("a: 1\rb: 2", "f:1:5: found the character U+000D"),
        ("a: &x 1", "f:1:4: anchors and aliases"),
        ("a: 1\n---\nb: 2", "f:2:1: a second document"),
        ("- a", "f:1:1: found a list"),
        ("a", "f:1:1: found a single value"),
        ("---\n", "f:1:1: the file is empty"),
        ("a: {{name}}", "f:1:5: a: found a map as a key"),
        ("a: x: y", "f:1:5: not YAML: mapping values are not allowed"),
        ("a: [1, 2\nb: 3", "a flow sequence that begins in line 1"),
        ("a:\n  <<: {b: 1}", "f:2:3: a: merge keys"),
        ("a: !!str 1", "f:1:4: the tag !!str"),
        (b" " * (MAX_BYTES + 1), "f:1:1: is longer than"),
    ],
)
def test_each_fault_has_its_place(text: str | bytes, line: str) -> None:
    assert line in message(text)


@given(st.integers(0, 60))
def test_nesting_is_read_to_a_depth_and_no_further(depth: int) -> None:
    found, _, problems = read("f", b"a: " + b"[" * depth + b"]" * depth)
    assert (found is not None) == (depth < 20)
    assert (found is not None) == (not problems)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=8))
def test_every_key_that_stands_twice_is_told_and_the_first_stays(keys: list[str]) -> None:
    text = "".join(f"{key}: {number}\n" for number, key in enumerate(keys))
    found, _, problems = read("f", text.encode())
    assert found == {key: keys.index(key) for key in keys}
    twice = [number for number, key in enumerate(keys) if keys.index(key) < number]
    assert [problem.place.line for problem in problems] == [number + 1 for number in twice]
