"""T32: every order in which a few verbs and a crash can cross, tried one by one.

The daemon's own objects run over a real store and a fake target. Each call to the ledger and to the
target is a step before and a step after, and all who work wait there; the search lets one of them
go on, or has the daemon die. A course is made anew from its choices (they are all that differs), so
nothing has to be copied.

What can still happen depends on the ledger, the accounts, the time, and on what each worker has
seen so far. Where all of these were met before, the search does not go on: what follows was tried.
"""

import asyncio
import random
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from component.turns import SearchedWorld, Turns, who
from fakes.clock import FakeClock, VirtualLoop
from fakes.world import World
from leasehold.errors import LeaseholdError
from leasehold.model import LeaseState

CRASH = -1
RAM = Path("/dev/shm")
Workers = Mapping[str, asyncio.Task[Any]]


class SearchLoop(VirtualLoop):
    """When all are at rest, one of those who wait for their turn goes on."""

    def __init__(self, clock: FakeClock) -> None:
        self.choose: Callable[[], bool] = lambda: False
        super().__init__(clock)

    def at_rest(self) -> bool:
        return self.choose()


@dataclass(frozen=True)
class Program:
    """`before` it all and alone; `workers` at the same time; `after` it all and alone.

    `after` raises AssertionError when a promise was not kept. It is told what `before` made, and
    what each worker that came to its end brought.
    """

    before: Callable[[World], Awaitable[Any]]
    workers: Mapping[str, Callable[[World, Any], Awaitable[Any]]]
    after: Callable[[World, Any, Mapping[str, Any]], Awaitable[None]]
    world: type[World] = SearchedWorld


@dataclass
class Found:
    """How much was searched."""

    states: int = 0
    courses: int = 0
    crashes: int = 0
    longest: int = 0


@dataclass
class _Course:
    """One way through: the choices so far, and how many there were at each place behind them."""

    choices: list[int]
    options: list[int] = field(default_factory=list)
    known: bool = False
    crashed: bool = False


def search(program: Program) -> Found:
    """Try every order. Raises AssertionError, with the choices that lead there."""
    visited: set[Hashable] = set()
    left: list[list[int]] = [[]]
    found = Found()
    while left:
        choices = left.pop()
        course = _Course(list(choices))
        try:
            _follow(program, course, visited)
        except AssertionError as error:
            raise AssertionError(f"by the choices {course.choices}: {error}") from error
        found.courses += 1
        found.crashes += course.crashed
        found.longest = max(found.longest, len(course.choices))
        for at in range(len(choices), len(course.options)):
            others = [*range(1, course.options[at]), CRASH]
            left += [[*course.choices[:at], other] for other in others]
    found.states = len(visited)
    return found


def _follow(program: Program, course: _Course, visited: set[Hashable]) -> None:
    clock = FakeClock()
    loop = SearchLoop(clock)
    folder = Path(tempfile.mkdtemp(prefix="turns", dir=RAM if RAM.is_dir() else None))
    try:
        with _own_dice():
            loop.run_until_complete(_play(program, course, visited, loop, folder))
    finally:
        loop.close()
        shutil.rmtree(folder)


@contextmanager
def _own_dice() -> Iterator[None]:
    """Each worker draws from numbers of its own, so that ids do not tell who came first."""
    dice: dict[str, random.Random] = {}

    def mine() -> random.Random:
        return dice.setdefault(who.get(), random.Random(who.get()))

    with (
        patch("secrets.token_bytes", lambda count: mine().randbytes(count)),
        patch("secrets.randbelow", lambda below: below // 2),
        patch("uuid.uuid4", lambda: uuid.UUID(bytes=mine().randbytes(16))),
    ):
        yield


async def _play(
    program: Program, course: _Course, visited: set[Hashable], loop: SearchLoop, folder: Path
) -> None:
    world = program.world(folder, loop.clock)
    await world.start()
    made = await program.before(world)
    turns = world.fate
    assert isinstance(turns, Turns)
    tasks: dict[str, asyncio.Task[Any]] = {}
    for name, work in program.workers.items():
        who.set(name)
        tasks[name] = asyncio.create_task(_quiet(work(world, made)))
    who.set("")
    over: asyncio.Future[None] = loop.create_future()

    def choose() -> bool:
        if over.done() or not turns.waiting:
            return False
        try:
            over_now = _next(course, visited, world, turns, tasks)
        except AssertionError as broken:
            over.set_exception(broken)
        else:
            if over_now:
                over.set_result(None)
        return True

    turns.on, loop.choose = True, choose
    ended = asyncio.create_task(asyncio.wait(tasks.values()))
    await asyncio.wait({ended, over}, return_when=asyncio.FIRST_COMPLETED)
    turns.on, loop.choose = False, lambda: False
    if over.done():
        await _die(world)
        over.result()
        if course.known:
            return
        await world.start()
    brought = {name: task.result() for name, task in tasks.items() if not task.cancelled()}
    try:
        for each in brought.values():
            if isinstance(each, AssertionError):
                raise each
        await program.after(world, made, brought)
    finally:
        await _die(world)


async def _die(world: World) -> None:
    """Die, and have all who worked or waited be gone."""
    await world.crash()
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _next(
    course: _Course, visited: set[Hashable], world: World, turns: Turns, workers: Workers
) -> bool:
    """Let one go on; whether the course is over instead."""
    _every_account_is_known(world)
    at = len(course.options)
    if at >= len(course.choices):
        key = _key(world, turns, workers)
        if key in visited:
            course.known = True
            return True
        visited.add(key)
        course.choices.append(0)
    course.options.append(len(turns.waiting))
    if course.choices[at] == CRASH:
        course.crashed = True
        return True
    turns.go_on(course.choices[at])
    return False


async def _quiet(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except LeaseholdError as refused:
        return refused
    except Exception as defect:  # a finding as good as any
        return AssertionError(f"a worker met a defect: {defect!r}")


def _rows(world: World) -> Sequence[tuple[Any, ...]]:
    with closing(sqlite3.connect(world.state_dir / "leases.db")) as db:
        return db.execute(
            "SELECT account, state, version, expires_ms, next_ms, unproven FROM lease ORDER BY id"
        ).fetchall()


def _every_account_is_known(world: World) -> None:
    """At every instant, so that a crash there loses nothing."""
    live = {account for account, state, *_ in _rows(world) if state != LeaseState.REVOKED}
    unknown = world.target.accounts.keys() - live
    assert not unknown, f"{unknown} stand at the target, and no live lease has them"


def _key(world: World, turns: Turns, workers: Workers) -> Hashable:
    return (
        tuple(_rows(world)),
        tuple(sorted(world.target.accounts.items())),
        world.clock.now_ms(),
        frozenset((name, frozenset(seen.items())) for name, seen in turns.seen.items()),
        tuple(sorted(who for who, _ in turns.waiting)),
        tuple(task.done() for task in workers.values()),
    )
