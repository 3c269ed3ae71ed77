"""A policy directory as one bundle, or as everything that is wrong with it."""

import grp
import hashlib
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leasehold.bundle import Bundle, EngineType, UnixMatch
from leasehold.errors import ConfigError
from leasehold.policy.compile import Compiler
from leasehold.policy.files import read
from leasehold.policy.problems import Place, Places, Problem, dotted, nearest
from leasehold.policy.validate import check

SUFFIXES = (".yaml", ".yml")
NOBODY = frozenset({65_534, 4_294_967_295})
"""What the kernel shows for ids it cannot map; nobody is matched by them (rule I2)."""
BAD = "bad"
"""A directory of this name holds examples of what is refused, and is not read."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of loading: a bundle when there are no problems; warnings in any case."""

    bundle: Bundle | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def load_bundle(path: Path, types: Mapping[str, EngineType]) -> Loaded:
    """Read a directory or a single file. Blocks; raises ConfigError when there is nothing to read."""
    digest = hashlib.sha256()
    document: dict[str, Any] = {}
    places, problems = Places(), []
    for file, name in _files(path):
        try:
            data = file.read_bytes()
        except OSError as error:
            raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
        digest.update(f"{len(name)}:{name}:{len(data)}:".encode() + data)
        found, found_places, faults = read(name, data)
        problems += faults
        problems += _merge(document, found, places, found_places)
    problems += check(document, places, types)
    if problems:
        return Loaded(None, tuple(sorted(set(problems))), ())
    compiler = Compiler(places, types, lookup_unix)
    bundle = compiler.compile(document, digest.hexdigest())
    problems = sorted(set(compiler.problems))
    return Loaded(
        None if problems else bundle, tuple(problems), tuple(sorted(set(compiler.warnings)))
    )


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """The files of a bundle with the names that problems are shown under, in order."""
    if path.is_file():
        yield path, path.name
        return
    if not path.is_dir():
        raise ConfigError(f"{path}: no such policy directory or file")
    found = sorted(
        file
        for file in path.rglob("*")
        if file.suffix in SUFFIXES and file.is_file() and not _is_aside(file.relative_to(path))
    )
    if not found:
        raise ConfigError(f"{path}: holds no policy; it needs a file such as roles.yaml")
    for file in found:
        if not file.resolve().is_relative_to(path.resolve()):
            raise ConfigError(f"{file}: links out of the policy directory; copy it there")
        yield file, str(file.relative_to(path))


def _is_aside(name: Path) -> bool:
    return any(part.startswith(".") or part == BAD for part in name.parts)


def _merge(
    document: dict[str, Any], found: Mapping[str, Any], places: Places, new: Places
) -> list[Problem]:
    """Merge one file's sections into the document; a name that two files define is a problem."""
    problems = []
    for section, value in found.items():
        known = document.get(section)
        if known is None:
            document[section] = value
            places.update(_under(new, section))
        elif isinstance(known, dict) and isinstance(value, dict):
            for name in value:
                if name in known:
                    first = places.of_key((section, name))
                    problems.append(
                        new.problem(
                            (section, name),
                            f"is defined twice, first at {first.file}:{first.line}; remove one",
                            key=True,
                        )
                    )
            document[section] = {**value, **known}
            places.update(_under(new, section))
        elif isinstance(known, list) and isinstance(value, list):
            places.update(_under(new, section, shift=len(known)))
            document[section] = [*known, *value]
        else:
            problems.append(new.problem((section,), "is a map in one file and a list in another"))
    places.values.setdefault((), Place("", 1, 1))
    return problems


def _under(places: Places, section: str, *, shift: int = 0) -> Places:
    """The places of one section, list items moved behind `shift` others."""

    def moved(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
        if shift and len(path) > 1 and isinstance(path[1], int):
            return (path[0], path[1] + shift, *path[2:])
        return path

    result = Places()
    result.values = {moved(p): at for p, at in places.values.items() if p[:1] == (section,)}
    result.keys = {moved(p): at for p, at in places.keys.items() if p[:1] == (section,)}
    return result


def lookup_unix(match: Mapping[str, Any]) -> UnixMatch | str:
    """The ids of a `unix:` match, or what is wrong with it."""
    uid, gid = match.get("uid"), match.get("gid")
    if "user" in match and "uid" in match:
        return "has both user and uid; write one of them"
    if "self" in match:
        uid = os.geteuid()
    if user := match.get("user"):
        try:
            uid = pwd.getpwnam(user).pw_uid
        except KeyError:
            known = [entry.pw_name for entry in pwd.getpwall()]
            return f"this host has no user {user}{nearest(user, known)}"
    if group := match.get("group"):
        try:
            gid = grp.getgrnam(group).gr_gid
        except KeyError:
            known = [entry.gr_name for entry in grp.getgrall()]
            return f"this host has no group {group}{nearest(group, known)}"
    if uid in NOBODY or gid in NOBODY:
        return "names the id of nobody, which the kernel shows for whom it cannot map"
    return UnixMatch(uid=uid, gid=gid)


def check_modes(path: Path) -> None:
    """Refuse policy that others could change. Raises ConfigError with the command that mends it."""
    if not path.exists():
        raise ConfigError(f"{path}: no such policy directory or file")
    for file in (path, *(path.rglob("*") if path.is_dir() else ())):
        info = file.lstat()
        if stat.S_ISLNK(info.st_mode):
            continue
        if info.st_uid not in (0, os.geteuid()):
            raise ConfigError(f"{file}: belongs to uid {info.st_uid}, not to root or us; chown it")
        if info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            mode = stat.S_IMODE(info.st_mode)
            raise ConfigError(
                f"{file}: others may write it (mode {mode:04o}); run chmod go-w {file}"
            )
