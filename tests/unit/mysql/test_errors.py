"""Errors are told apart by the server's number, and never in the driver's words."""

import pytest
from pymysql import err

from leasehold.plugin import EnginePermanent, EngineTemporary, ErrorClass
from leasehold_plugins.mysql.errors import GONE_ALREADY, translate

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("number", "found"),
    [
        (1044, ErrorClass.DENIED),
        (1045, ErrorClass.DENIED),
        (1227, ErrorClass.DENIED),
        (1698, ErrorClass.DENIED),
        (3118, ErrorClass.DENIED),
        (4151, ErrorClass.DENIED),
        (1049, ErrorClass.ABSENT),
        (1959, ErrorClass.ABSENT),
        (3523, ErrorClass.ABSENT),
        (1396, ErrorClass.CONFLICT),
        (1524, ErrorClass.UNSUPPORTED),
        (1064, ErrorClass.INVALID),
        (9999, ErrorClass.INVALID),
    ],
)
def test_a_refusal_has_its_class_and_its_number(number: int, found: ErrorClass) -> None:
    told = translate(err.OperationalError(number, f"near '{SECRET}'"))
    assert isinstance(told, EnginePermanent)
    assert told.error_class is found
    assert str(number) in told.reason
    assert SECRET not in told.reason


@pytest.mark.parametrize("number", [1040, 1053, 1205, 1213, 1290, 1317, 1836, 1927, 1969, 3024])
def test_what_passes_is_worth_another_try(number: int) -> None:
    told = translate(err.OperationalError(number, SECRET))
    assert isinstance(told, EngineTemporary)
    assert not told.outcome_unknown
    assert SECRET not in told.reason


@pytest.mark.parametrize(
    "lost",
    [err.OperationalError(2013, SECRET), err.OperationalError(2006), err.InterfaceError(0, "")],
)
def test_after_a_lost_connection_nobody_knows_what_was_done(lost: err.MySQLError) -> None:
    told = translate(lost)
    assert isinstance(told, EngineTemporary)
    assert told.outcome_unknown


def test_a_server_that_cannot_be_reached_has_done_nothing() -> None:
    for number in (2002, 2003):
        told = translate(err.OperationalError(number, SECRET))
        assert isinstance(told, EngineTemporary)
        assert not told.outcome_unknown


def test_what_the_driver_refuses_is_told_without_its_words() -> None:
    told = translate(err.ProgrammingError(SECRET))
    assert isinstance(told, EnginePermanent)
    assert told.reason == "the driver refused: ProgrammingError"


def test_absent_after_a_revocation_are_the_three_that_vault_trips_over() -> None:
    assert {1396, 1269, 1141} <= GONE_ALREADY
