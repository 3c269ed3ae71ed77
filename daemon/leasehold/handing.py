"""How a role's credentials are handed out: proven, from a shelf, one after another. Pure.

`policy/handing.py` makes these values. Spans are whole seconds.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """A credential is handed out after `successes` logins in a row, within `within_s` seconds."""

    successes: int
    within_s: int


@dataclass(frozen=True, slots=True)
class Succession:
    """A lease may be replaced in the last `overlap_s` of its life, and lives `grace_s` then."""

    overlap_s: int
    grace_s: int


@dataclass(frozen=True, slots=True)
class WarmPool:
    """So many accounts are made ahead; one that nobody was given ends after `kept_s` seconds."""

    accounts: int
    kept_s: int
