"""The documents are watched: what there is stands in them, and what stands in them is so."""

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from leasehold import errors
from leasehold.api.openapi import table
from leasehold.api.problems import problem_of, wrong_method
from leasehold.bundle import UnixMatch
from leasehold.cli.main import COMMANDS, cli
from leasehold.client import Unreachable
from leasehold.engines.catalog import installed_engine_types
from leasehold.errors import PolicyRefused
from leasehold.methods.catalog import installed_method_types
from leasehold.policy.grants import OWN_PATHS
from leasehold.policy.load import load
from leasehold.settings import PREFIX as ENVIRONMENT

ROOT = Path(__file__).parents[2]
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
BELOW = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
PAGES = [*TOP, *sorted(page for page in BELOW if "node_modules" not in page.parts)]
REFUSALS = (
    errors.Invalid,
    errors.Denied,
    errors.NotFound,
    errors.Unsupported,
    errors.Conflict,
    errors.TooLarge,
    errors.LimitReached,
    errors.Unavailable,
)
_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:daemon|plugins|schemas|policies|tests|tools|examples|docs)/[\w./-]+")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def blocks(text: str, info: str) -> list[str]:
    return [found["text"] for found in _FENCE.finditer(text) if found["info"] == info]


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next of its level."""
    level = heading.split(" ")[0]
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r}"
    return rest.partition(f"\n{level} ")[0]


def coded(text: str) -> set[str]:
    """Every word that stands in the text as code, blocks apart."""
    return {word for code in _CODE.findall(_FENCE.sub("", text)) for word in code.split()}


def whole(command: click.Command) -> Iterator[click.Command]:
    """The command, and those below it."""
    yield command
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        yield from whole(each)


# What there is stands in the documents.


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_a_section_with_each_of_its_options(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    text = section(page("cli.md"), f"## leasehold {name}")
    parameters = [each for one in whole(command) for each in one.params]
    options = [option for each in parameters for option in each.opts if "--" in option]
    assert not set(options) - coded(text)
    assert blocks(text, "console"), "no example"


def members(command: click.Command) -> list[click.Command]:
    """The commands of a group; none of any other."""
    return list(command.commands.values()) if isinstance(command, click.Group) else []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_of_a_group_is_shown(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    shown = commands(section(page("cli.md"), f"## leasehold {name}"))
    for member in members(command):
        assert any(line.startswith(f"leasehold {name} {member.name}") for line in shown)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_example_in_the_help_parses(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for each in (command, *members(command)):
        lines = [line.strip() for line in (each.epilog or "").splitlines()]
        asked = [line for line in lines if line.startswith("leasehold ")]
        assert asked
        for line in asked:
            parse(line)


def test_every_setting_stands_in_the_table_with_flag_environment_and_default() -> None:
    schema = json.loads((ROOT / "schemas" / "settings.schema.json").read_text())
    serve = cli.get_command(click.Context(cli), "serve")
    assert serve is not None
    flags = {each.name: each.opts[0] for each in serve.params}
    rows = section(page("operations.md"), "## Settings").splitlines()
    for key, about in schema["properties"].items():
        [row] = [line for line in rows if line.startswith(f"| `{key}` |")]
        assert f"| `{flags[key]}` | `{ENVIRONMENT}{key.upper()}` |" in row
        if about.get("default") not in (None, False):
            assert str(about["default"]) in row


def test_every_route_stands_in_the_interface_with_its_methods() -> None:
    text = page("api.md")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "`/" in line]
    for route in table():
        told = [line.split("|")[1] for line in rows if f"`{route.url}`" in line]
        methods = [set(it.replace(" ", "").split(",")) for it in told]
        assert route.methods in methods, f"{sorted(route.methods)} {route.url}"


def test_whatever_the_documents_say_to_operate_at_can_be_granted() -> None:
    told = re.findall(r"`operate`\s+at\s+`([\w/-]+)`", "".join(it.read_text() for it in PAGES))
    assert set(told) == set(OWN_PATHS)


def test_every_status_of_a_refusal_stands_in_the_interface() -> None:
    rows = section(page("api.md"), "## Replies")
    for kind in (*REFUSALS, errors.EngineTemporary, errors.ConfigError):
        assert f"\n| {problem_of(kind('')).status} |" in rows
    assert f"\n| {wrong_method('', '').status} |" in rows


def codes() -> Iterator[str]:
    waiting = [errors.LeaseholdError, Unreachable, PolicyRefused]
    while waiting:
        kind = waiting.pop()
        yield kind.code
        waiting += [each for each in kind.__subclasses__() if each.__module__ == errors.__name__]


@pytest.mark.parametrize("code", sorted(set(codes())))
def test_every_code_of_an_error_is_told(code: str) -> None:
    assert any(f"`{code}`" in each.read_text() for each in PAGES)


@pytest.mark.parametrize("name", sorted(installed_engine_types()))
def test_every_option_of_an_engine_stands_on_its_page(name: str) -> None:
    parts = installed_engine_types()[name].schema["$defs"]
    options = {key for part in ("connection", "role") for key in parts[part]["properties"]}
    assert options
    assert not options - coded(page(f"engines/{name}.md"))


def test_the_layers_stand_in_the_architecture_in_their_order() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    drawn = section(page("architecture.md"), "## Who imports whom")
    assert re.findall(r"^ {4}(\S+(?: \| \S+)*)  ", drawn, re.MULTILINE) == layers


def test_decisions_are_numbered_and_each_is_linked_from_the_architecture() -> None:
    names = [file.name for file in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    numbers = [name[:4] for name in names]
    assert numbers == sorted(set(numbers))
    linked = re.findall(r"\(decisions/(\S+?)\)", page("architecture.md"))
    assert linked == names


# What stands in the documents is so.


def anchors(text: str) -> set[str]:
    """The headings as links name them: lower case, spaces as dashes, other marks left out."""
    heads = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for found in _LINK.finditer(_FENCE.sub("", page.read_text())):
        place, _, anchor = found["target"].partition("#")
        if ":" in place:
            continue
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), found["target"]
        assert not anchor or anchor in anchors(target.read_text()), found["target"]


@every_page
def test_every_file_of_ours_that_is_named_is_there(page: Path) -> None:
    text = _FENCE.sub("", page.read_text())
    named = {path for code in _CODE.findall(text) for path in [code.split()[0]]}
    for path in named:
        if _PATH.fullmatch(path):
            assert (ROOT / path).exists(), path


def parse(line: str) -> None:
    """Parse a command line as the shell and click would. Fails for what is not there."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)[1:]
    ends = [at for at, word in enumerate(words) if set(word) <= set("|<>&;()")]
    words = words[: ends[0]] if ends else words
    command = cli.get_command(click.Context(cli), words[0])
    if isinstance(command, click.Group):
        words = words[1:]
        command = command.get_command(click.Context(command), words[0])
    assert command is not None, line
    while isinstance(command, click.Group) and words[1:]:
        words = words[1:]
        command = command.get_command(click.Context(command), words[0])
        assert command is not None, line
    try:
        command.make_context(words[0], words[1:])
    except click.exceptions.Exit:
        pass  # `--help`
    except click.UsageError as error:
        pytest.fail(f"{line}: {error.format_message()}")


def commands(text: str) -> list[str]:
    lines = [line for block in blocks(text, "console") for line in block.splitlines()]
    return [line[2:] for line in lines if line.startswith("$ leasehold ")]


def test_some_commands_are_shown() -> None:
    shown = [line.split()[1] for each in PAGES for line in commands(each.read_text())]
    assert set(shown) == set(COMMANDS)


@every_page
def test_every_command_that_is_shown_parses(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for line in commands(page.read_text()):
        parse(line)


def policies() -> Iterator[tuple[str, str]]:
    for each in PAGES:
        for number, text in enumerate(blocks(each.read_text(), "yaml policy")):
            yield f"{each.stem}-{number}", text


@pytest.mark.parametrize(("name", "text"), [pytest.param(*one, id=one[0]) for one in policies()])
def test_every_whole_policy_that_is_shown_is_valid(name: str, text: str) -> None:
    loaded = load(
        [(f"{name}.yaml", text.encode())],
        installed_engine_types(),
        lambda match: UnixMatch(uid=1),  # the users that are shown need not be on this host
        installed_method_types(),
    )
    assert [problem.line() for problem in (*loaded.problems, *loaded.warnings)] == []
    assert loaded.bundle is not None


def test_whole_policies_are_shown() -> None:
    assert len(list(policies())) >= 2


@every_page
def test_every_python_that_is_shown_is_python(page: Path) -> None:
    for text in blocks(page.read_text(), "python"):
        ast.parse(text)


@every_page
def test_every_json_that_is_shown_is_json(page: Path) -> None:
    for text in blocks(page.read_text(), "json"):
        json.loads(text)
