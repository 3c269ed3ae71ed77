"""A value that does not print (rule L1). Pure.

Wrapping happens where a secret enters the process (a reference is resolved, a password made), and
`reveal` is called where it must leave it: in a driver's call and in the reply to the caller.
"""

from typing import NoReturn


class Secret:
    """A text that no log, error, plan or event can carry by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself. A call to this is a place to review."""
        return self._value

    def __repr__(self) -> str:
        return "[secret]"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "[secret]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


def revealed(value: str | Secret) -> str:
    """A text that may be a secret, in clear; to be reviewed as a call of `reveal` is."""
    return value.reveal() if isinstance(value, Secret) else value
