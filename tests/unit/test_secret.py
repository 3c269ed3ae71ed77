import copy
import json
import logging
import pickle
import traceback
from dataclasses import dataclass

import pytest

from leasehold.model import Credential, Recipe
from leasehold.secret import Secret, revealed

CLEAR = "hunter2-correct-horse"
SECRET = Secret(CLEAR)


@dataclass
class Holder:
    secret: Secret


@pytest.mark.parametrize(
    "shown",
    [
        repr(SECRET),
        str(SECRET),
        f"{SECRET} {SECRET!r} {SECRET!s} {SECRET!a} {SECRET:>40}",
        "{}".format(SECRET),  # noqa: UP032 (this way, too)
        "%s %r" % (SECRET, SECRET),  # noqa: UP031 (and this way)
        repr({"password": SECRET, "all": [SECRET, (SECRET,)]}),
        repr(Holder(SECRET)),
        repr(Credential(fields={"password": SECRET})),
        repr(Recipe(id="1", engine="e", engine_type="t", connection={"password": SECRET}, role={})),
        repr(ValueError(SECRET)),
    ],
)
def test_no_way_of_writing_it_shows_it(shown: str) -> None:
    assert CLEAR not in shown
    assert "[secret]" in shown


def test_it_is_neither_pickled_nor_written_as_json() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps({"password": SECRET}, protocol)
    with pytest.raises(TypeError):
        json.dumps({"password": SECRET})
    with pytest.raises(TypeError):
        copy.deepcopy(SECRET)


def test_it_has_no_attributes_to_list() -> None:
    assert not hasattr(SECRET, "__dict__")
    with pytest.raises(TypeError):
        vars(SECRET)


def test_logging_does_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").warning("with %s and %r", SECRET, {"password": SECRET})
        try:
            raise RuntimeError("with %s" % SECRET)  # noqa: UP031 (in this way, too)
        except RuntimeError:
            logging.getLogger("test").exception("failed for %s", SECRET)
    assert "[secret]" in caplog.text
    assert CLEAR not in caplog.text


def test_a_traceback_with_local_values_does_not_show_it() -> None:
    def fails(password: Secret, options: dict[str, Secret]) -> None:
        raise RuntimeError(password, options)

    try:
        fails(SECRET, {"password": SECRET})
    except RuntimeError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        text = "".join(told.format())
    assert "password" in text
    assert CLEAR not in text


def test_it_tells_itself_when_it_is_asked_to() -> None:
    assert SECRET.reveal() == revealed(SECRET) == revealed(CLEAR) == CLEAR


def test_equal_texts_are_equal_secrets_and_never_equal_to_the_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), "a"}) == 2
