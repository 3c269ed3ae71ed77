"""What numbers mean, and that no text of a server or of the driver is passed on."""

import pytest
from pymongo import errors

from leasehold.plugin import EnginePermanent, EngineTemporary, ErrorClass
from leasehold_plugins.mongodb.errors import is_about_tls, translate

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (11, ErrorClass.ABSENT),
        (13, ErrorClass.DENIED),
        (18, ErrorClass.DENIED),
        (31, ErrorClass.ABSENT),
        (59, ErrorClass.UNSUPPORTED),
        (51003, ErrorClass.CONFLICT),
        (9, ErrorClass.INVALID),
    ],
)
def test_a_refusal_is_permanent_and_told_by_its_number(code: int, kind: ErrorClass) -> None:
    found = translate(errors.OperationFailure(SECRET, code), "createUser")
    assert isinstance(found, EnginePermanent)
    assert found.error_class is kind
    assert SECRET not in found.reason


@pytest.mark.parametrize(("code", "unknown"), [(10107, False), (13435, False), (189, True)])
def test_only_who_is_no_primary_has_surely_done_nothing(code: int, unknown: bool) -> None:
    for error in (
        errors.NotPrimaryError(SECRET, {"code": code}),
        errors.OperationFailure(SECRET, code),
    ):
        found = translate(error, "dropUser")
        assert isinstance(found, EngineTemporary)
        assert found.outcome_unknown is unknown
        assert SECRET not in found.reason


@pytest.mark.parametrize("code", [50, 64, 91, 100, 112, 262, 11600, 11602])
def test_what_takes_too_long_or_gives_up_is_temporary_and_may_be_done(code: int) -> None:
    found = translate(errors.OperationFailure(SECRET, code), "createUser")
    assert isinstance(found, EngineTemporary)
    assert found.outcome_unknown


def test_a_lost_connection_may_have_done_it_and_none_has_not() -> None:
    lost = translate(errors.AutoReconnect(SECRET), "createUser")
    none = translate(errors.ServerSelectionTimeoutError(SECRET), "createUser")
    assert isinstance(lost, EngineTemporary)
    assert isinstance(none, EngineTemporary)
    assert (lost.outcome_unknown, none.outcome_unknown) == (True, False)
    assert translate(errors.AutoReconnect(SECRET), sent=False).outcome_unknown is False
    odd = translate(errors.ConfigurationError(SECRET), "createUser")
    assert isinstance(odd, EnginePermanent)
    assert not any(SECRET in it.reason for it in (lost, none, odd))


@pytest.mark.parametrize("text", ["db:1: [SSL: UNKNOWN_CA] x", "SSL handshake failed: db:1: x"])
def test_tls_is_found_in_what_the_driver_keeps(text: str) -> None:
    assert is_about_tls(errors.AutoReconnect(text))
    assert not is_about_tls(errors.AutoReconnect("ssl.example:27017: connection refused"))
    assert not is_about_tls(None)
