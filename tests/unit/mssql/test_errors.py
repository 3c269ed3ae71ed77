"""Numbers of the server mean the same each time; its words go nowhere."""

import pytest

from leasehold.plugin import EnginePermanent, EngineTemporary, ErrorClass
from leasehold_plugins.mssql.errors import translate
from leasehold_plugins.mssql.link import Lost, SqlError
from leasehold_plugins.mssql.verifier import verifier


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (18456, ErrorClass.DENIED),
        (15247, ErrorClass.DENIED),
        (15025, ErrorClass.CONFLICT),
        (911, ErrorClass.ABSENT),
        (33233, ErrorClass.UNSUPPORTED),
        (102, ErrorClass.INVALID),
        (99999, ErrorClass.INVALID),
    ],
)
def test_a_refusal_has_a_class_and_its_number(number: int, kind: ErrorClass) -> None:
    found = translate(SqlError(number))
    assert isinstance(found, EnginePermanent)
    assert found.error_class is kind
    assert str(number) in found.reason


@pytest.mark.parametrize("number", [1205, 1222, 40613, 17809])
def test_what_passes_is_worth_another_try(number: int) -> None:
    found = translate(SqlError(number))
    assert isinstance(found, EngineTemporary)
    assert not found.outcome_unknown


def test_of_a_lost_connection_nobody_knows_the_outcome() -> None:
    found = translate(Lost())
    assert isinstance(found, EngineTemporary)
    assert found.outcome_unknown


def test_a_verifier_is_what_the_server_stores() -> None:
    # The example of hashcat's mode 1731, MSSQL (2012, 2014), for the password `hashcat`.
    assert verifier("hashcat", bytes.fromhex("01020304")) == (
        "0x02000102030434ea1b17802fd95ea6316bd61d2c94622ca3812793e8fb1672487b5c904a45a31b2ab4a7889"
        "0d563d2fcf5663e46fe797d71550494be50cf4915d3f4d55ec375"
    )
    assert verifier("hashcat") != verifier("hashcat")
