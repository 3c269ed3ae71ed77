"""T37: bad policies by the hundred, and places that are none: refused in one line, at once."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from component.policy.bad_policy import FILE, BadPolicy
from component.policy.corpus import FAMILIES, corpus
from leasehold.cli.main import cli
from leasehold.engines.catalog import installed_engine_types
from leasehold.methods.catalog import installed_method_types
from leasehold.policy.load import load
from leasehold.policy.users import unix_match

MOST_S = 1.0
"""A busy machine is given ten of them; what hangs takes longer."""


def problems(policy: BadPolicy) -> list[str]:
    loaded = load(
        [(FILE, policy.data)], installed_engine_types(), unix_match, installed_method_types()
    )
    assert loaded.bundle is None
    return [problem.line() for problem in loaded.problems]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_each_bad_policy_prints_its_one_line_at_once(
    family: Callable[[], list[BadPolicy]],
) -> None:
    for policy in family():
        began = time.process_time()
        [line] = problems(policy)
        assert time.process_time() - began < MOST_S, policy.name
        begins = policy.line.removesuffix("*")
        assert line == begins or (policy.line != begins and line.startswith(begins)), policy.name


def test_the_corpus_is_large_and_none_stands_in_it_twice() -> None:
    policies = corpus()
    assert len(policies) >= 300
    assert len({each.name for each in policies}) == len(policies)
    assert len({each.data for each in policies}) == len(policies)


def _socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(place))


PLACES: dict[str, Callable[[Path], object]] = {
    "pipe": lambda place: os.mkfifo(place),
    "socket": _socket,
    "device": lambda place: place.symlink_to("/dev/zero"),
    "terminal": lambda place: place.symlink_to("/dev/tty"),
    "link out": lambda place: place.symlink_to("/etc/passwd"),
    "link to nothing": lambda place: place.symlink_to("nowhere.yaml"),
    "link to itself": lambda place: place.symlink_to(place.name),
    "kernel file": lambda place: place.symlink_to("/proc/self/mem"),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("beside", [True, False], ids=["in a directory", "by itself"])
def test_a_place_that_is_no_file_is_one_line_and_never_read(
    tmp_path: Path, kind: str, beside: bool
) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    place = folder / FILE
    PLACES[kind](place)
    if kind == "link out" and not beside:
        pytest.skip("whoever names a link wants the file")
    result = CliRunner().invoke(
        cli, ["validate", str(folder if beside else place)], catch_exceptions=False
    )
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith(f"leasehold: {place}: ")
