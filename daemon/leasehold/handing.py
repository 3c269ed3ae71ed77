"""How a role's credentials are handed out: proven, from a shelf, one after another. Pure.

`policy/handing.py` makes these values. Spans are whole seconds.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """A credential is handed out after `successes` logins in a row, within `within_s` seconds."""

    successes: int
    within_s: int
