"""Numbers of the database mean the same each time; its words go nowhere."""

import pytest

from leasehold.plugin import EnginePermanent, EngineTemporary, ErrorClass
from leasehold_plugins.oracle.errors import translate
from leasehold_plugins.oracle.link import Lost, SqlError


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1017, ErrorClass.DENIED),
        (1031, ErrorClass.DENIED),
        (1920, ErrorClass.CONFLICT),
        (1919, ErrorClass.ABSENT),
        (65096, ErrorClass.UNSUPPORTED),
        (900, ErrorClass.INVALID),
        (99999, ErrorClass.INVALID),
    ],
)
def test_a_refusal_has_a_class_and_its_number(number: int, kind: ErrorClass) -> None:
    found = translate(SqlError(number))
    assert isinstance(found, EnginePermanent)
    assert found.error_class is kind
    assert f"ORA-{number:05}" in found.reason


@pytest.mark.parametrize("number", [18, 54, 1033, 4021, 12519])
def test_what_passes_is_worth_another_try(number: int) -> None:
    found = translate(SqlError(number))
    assert isinstance(found, EngineTemporary)
    assert not found.outcome_unknown


def test_of_a_lost_connection_nobody_knows_the_outcome() -> None:
    found = translate(Lost())
    assert isinstance(found, EngineTemporary)
    assert found.outcome_unknown
