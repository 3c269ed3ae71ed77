"""The harness itself: what it judges a run by, and that its tables name what there is."""

import importlib
import re
from pathlib import Path

import pytest

from chaos import planted
from chaos.facts import Violation
from chaos.points import BY_NAME, POINTS
from chaos.provoking import PROVOKE
from chaos.report import Hunt, Outcome, text, verdict
from chaos.runner import names, scenario
from chaos.stage import Record

ROOT = Path(__file__).parents[2]
ENGINES = ("postgresql", "mysql", "redis")
_POINT = re.compile(r'(?:hit|reach|failpoint)\(\s*f?"([a-z.{}-]+)"')


def in_the_source() -> set[str]:
    """Every failpoint in the daemon and in the engines that the harness has servers for."""
    engines = [ROOT / "plugins" / "leasehold_plugins" / name for name in ENGINES]
    files = [file for folder in (ROOT / "daemon", *engines) for file in folder.rglob("*.py")]
    found = {name for file in files for name in _POINT.findall(file.read_text())}
    return {name for name in found if "{" not in name}


def per_verb() -> set[str]:
    return {name for name in BY_NAME if name.startswith("engine.")}


def test_every_point_of_the_table_is_in_the_daemon() -> None:
    assert BY_NAME.keys() - per_verb() <= in_the_source()
    assert {name.rpartition(".")[2] for name in per_verb()} == {"calling", "called"}


def test_every_failpoint_is_in_the_table_or_its_absence_is_explained() -> None:
    page = (ROOT / "docs" / "chaos.md").read_text()
    assert {name for name in in_the_source() - BY_NAME.keys() if f"`{name}`" not in page} == set()


def test_every_number_of_the_plan_has_a_point_or_its_absence_is_explained() -> None:
    page = (ROOT / "docs" / "chaos.md").read_text()
    numbers = {number for point in POINTS for number in point.plan}
    left = [number for number in range(1, 45) if number not in numbers]
    assert [number for number in left if f"| {number} |" not in page] == []


def test_every_point_is_met_by_something_that_is_known() -> None:
    assert {point.provoke for point in POINTS} <= PROVOKE.keys() | {"first start"}


def test_twelve_bugs_are_planted_and_each_has_a_scenario_that_finds_it() -> None:
    assert len(planted.BUGS) == 12
    for bug in planted.BUGS:
        assert callable(importlib.import_module(f"chaos.planted.{bug.name}").install)
        assert bug.scenario in names()
        assert set(bug.only) <= BY_NAME.keys()


@pytest.mark.parametrize("name", names())
def test_every_scenario_says_what_it_does_and_which_part_of_the_plan_that_is(name: str) -> None:
    module = scenario(name)
    assert module.PLAN
    assert module.__doc__
    assert callable(module.run)


GOOD, BAD = Record({}), Record({}, [Violation("I1", "an orphan")])
FOUND, MISSED = Hunt("a", "calm", [1, 3]), Hunt("b", "calm", [1, None])


@pytest.mark.parametrize(
    ("records", "hunts", "judged"),
    [
        ([GOOD], [FOUND], "passed"),
        ([GOOD, BAD], [FOUND], "failed"),
        ([GOOD], [FOUND, MISSED], "void"),
        ([BAD], [MISSED], "void"),
    ],
)
def test_a_run_is_void_when_a_planted_bug_was_not_found(
    records: list[Record], hunts: list[Hunt], judged: str
) -> None:
    assert verdict([Outcome("calm", "T0", records)], hunts) == judged


def test_the_report_names_each_violation_and_each_hunt() -> None:
    told = text({"commit": "abc"}, [Outcome("calm", "T0", [GOOD, BAD])], [FOUND, MISSED])
    assert "VIOLATION calm {}: I1: an orphan" in told
    assert "2.0 (of 2 hunts)" in told
    assert "planted bugs found: 1 of 2" in told
    assert "NOT FOUND" in told
    assert "verdict: void" in told
