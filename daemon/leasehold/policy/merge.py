"""The files of a policy merged by name into one document, with every place kept. Pure."""

from typing import Any

from leasehold.policy.problems import Fault, Path, Places, Problem
from leasehold.policy.validate import check_sections


class Merged:
    """One document of many files.

    `partial` is true when something was left out as a whole, a file or a section of one; a name
    that nothing defines may stand there then.
    """

    def __init__(self) -> None:
        self.document: dict[str, Any] = {}
        self.places = Places()
        self.problems: list[Problem] = []
        self.partial = False

    def add(self, found: dict[str, Any] | None, places: Places, problems: list[Problem]) -> None:
        """Take over one file: maps are merged by name, lists are put behind each other.

        A name that an earlier file defines is a problem, and the earlier entry stays.
        """
        self.problems += problems
        if found is None:
            self.partial = True
            return
        faults = list(check_sections(found))
        self.problems += map(places.problem, faults)
        wrong = {fault.path[0] for fault in faults}
        self.partial |= bool(wrong)
        shifts: dict[str, int] = {}
        for section, value in found.items():
            if section in wrong:
                continue
            known = self.document.setdefault(section, type(value)())
            if isinstance(value, list):
                shifts[section] = len(known)
                known.extend(value)
                continue
            for name, entry in value.items():
                if name in known:
                    first = self.places.of_key((section, name))
                    message = f"is defined twice, first at {first.file}:{first.line}; remove one"
                    self.problems.append(places.problem(Fault((section, name), message, key=True)))
                else:
                    known[name] = entry
        self._take_over(places, shifts)

    def _take_over(self, places: Places, shifts: dict[str, int]) -> None:
        """Add one file's places, items of a list moved behind those of earlier files."""

        def moved(path: Path) -> Path:
            if len(path) > 1 and isinstance(path[1], int):
                return (path[0], path[1] + shifts.get(str(path[0]), 0), *path[2:])
            return path

        for path, place in places.values.items():
            self.places.values.setdefault(moved(path), place)
        for path, place in places.keys.items():
            self.places.keys.setdefault(moved(path), place)
