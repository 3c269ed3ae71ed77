import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.leases.names import ID_CHARS, AccountNames, Mark, middle_of, new_lease_id

NAMES = AccountNames("7f3a", b"k" * 32)
PATH = "database/creds/app-readonly"
ALPHABET = string.ascii_lowercase + "234567"
lease_ids = st.text(ALPHABET, min_size=ID_CHARS, max_size=ID_CHARS).map(lambda end: f"{PATH}/{end}")


@given(lease_ids)
def test_a_computed_name_is_recognised_and_leads_back_to_its_lease(lease_id) -> None:
    name = NAMES.core(lease_id)
    assert NAMES.is_ours(name)
    assert re.fullmatch(NAMES.pattern, name)
    middle = lease_id.rsplit("/", 1)[1][:16]
    assert NAMES.read(name) == (Mark.OURS, middle)
    assert middle_of(lease_id) == middle


@given(lease_ids)
def test_a_computed_name_is_an_identifier_of_at_most_thirty_characters(lease_id) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]{2,29}", NAMES.core(lease_id))


def test_any_one_character_changed_is_refused() -> None:
    name = NAMES.core(f"{PATH}/{'leasehold' * 3}"[: len(PATH) + 1 + ID_CHARS])
    assert NAMES.is_ours(name)
    for place, there in enumerate(name):
        for other in set(ALPHABET + "_1-é") - {there}:
            assert not NAMES.is_ours(name[:place] + other + name[place + 1 :])


@given(lease_ids)
def test_names_of_another_deployment_or_key_are_not_ours(lease_id) -> None:
    assert not NAMES.is_ours(AccountNames("other", b"k" * 32).core(lease_id))
    assert not NAMES.is_ours(AccountNames("7f3a", b"x" * 32).core(lease_id))


@given(lease_ids, st.sampled_from(["{}", "v-{}", "{}_ro", "v-{}-1767225600"]))
def test_whose_an_account_is_shows_by_mark_and_tag_however_it_is_dressed(lease_id, dress) -> None:
    core, middle = NAMES.core(lease_id), middle_of(lease_id)
    forged = core[:-1] + ("a" if core[-1] != "a" else "b")
    foreign = AccountNames("other", b"k" * 32).core(lease_id)
    assert NAMES.read(dress.format(core)) == (Mark.OURS, middle)
    assert NAMES.read(dress.format(forged)) == (Mark.FORGED, middle)
    assert NAMES.read(dress.format(foreign)) == (Mark.FOREIGN, middle)
    for name in (core, forged, foreign):
        assert re.search(NAMES.pattern, dress.format(name))


@given(st.text(max_size=40))
def test_a_name_that_somebody_else_chose_is_not_ours(name) -> None:
    assert not NAMES.is_ours(name)


@pytest.mark.parametrize("placeholder", ["{{name}}", "{{username}}", "{{randomUsername}}"])
def test_a_template_dresses_the_name_and_never_replaces_it(placeholder) -> None:
    lease_id = new_lease_id(PATH)
    name = NAMES.account(lease_id, f"v-{placeholder}-{{{{timestamp}}}}", issued_s=1_767_225_600)
    assert name == f"v-{NAMES.core(lease_id)}-1767225600"
    assert NAMES.is_ours(name)


def test_without_a_template_the_account_bears_the_computed_name() -> None:
    lease_id = new_lease_id(PATH)
    assert NAMES.account(lease_id, None, issued_s=1) == NAMES.core(lease_id)


def test_lease_ids_say_what_was_asked_for_and_do_not_repeat() -> None:
    ids = {new_lease_id(PATH) for _ in range(1_000)}
    assert len(ids) == 1_000
    assert all(re.fullmatch(rf"{PATH}/[a-z2-7]{{{ID_CHARS}}}", lease_id) for lease_id in ids)
