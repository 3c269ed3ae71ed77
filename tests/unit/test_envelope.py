import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.errors import Unavailable
from leasehold.keys.envelope import Envelope
from leasehold.keys.keyfile import Key

KEY = Key(id="0123456789abcdef", value=b"k" * 32)
OTHER_KEY = Key(id="fedcba9876543210", value=b"o" * 32)
ENVELOPE = Envelope(KEY, "deployment")
PLACE = ("recipe", "row-1", "sealed")
parts = st.text(max_size=12)


@given(st.binary(max_size=500), st.lists(parts, max_size=4))
def test_what_was_sealed_opens_in_its_place(plain, place) -> None:
    assert ENVELOPE.open(ENVELOPE.seal(plain, *place), *place) == plain


@given(st.lists(parts, min_size=1, max_size=4), st.lists(parts, min_size=1, max_size=4))
def test_a_record_moved_to_another_place_does_not_open(place, other) -> None:
    """Also where both would read alike when their parts are put together."""
    if place == other:
        other = [*other, ""]
    sealed = ENVELOPE.seal(b"secret", *place)
    with pytest.raises(Unavailable, match="does not verify"):
        ENVELOPE.open(sealed, *other)


@pytest.mark.parametrize(
    "other",
    [
        Envelope(KEY, "another deployment"),
        Envelope(OTHER_KEY, "deployment"),
        Envelope(Key(id=KEY.id, value=OTHER_KEY.value), "deployment"),
        Envelope(Key(id=OTHER_KEY.id, value=KEY.value), "deployment"),
    ],
    ids=["deployment", "key", "key of the same name", "name of the key"],
)
def test_a_record_of_another_deployment_or_key_does_not_open(other) -> None:
    with pytest.raises(Unavailable):
        other.open(ENVELOPE.seal(b"secret", *PLACE), *PLACE)


def test_any_one_flipped_bit_is_found() -> None:
    sealed = ENVELOPE.seal(b"an administrator's password", *PLACE)
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Unavailable):
            ENVELOPE.open(bytes(flipped), *PLACE)


@given(st.integers(0, 200))
def test_a_record_cut_short_or_lengthened_does_not_open(size) -> None:
    sealed = ENVELOPE.seal(b"secret", *PLACE)
    changed = (sealed + bytes(200))[:size]
    if changed != sealed:
        with pytest.raises(Unavailable):
            ENVELOPE.open(changed, *PLACE)


def test_a_data_key_from_one_record_does_not_open_another() -> None:
    one, two = (ENVELOPE.seal(plain, *PLACE) for plain in (b"secret one", b"secret two"))
    records = len(one) - len(b"secret one") - 28
    with pytest.raises(Unavailable):
        ENVELOPE.open(one[:records] + two[records:], *PLACE)


def test_the_same_record_twice_looks_different_and_shows_nothing_of_it() -> None:
    sealed = {ENVELOPE.seal(b"secret" * 20, *PLACE) for _ in range(50)}
    assert len(sealed) == 50
    assert not any(b"secret" in record for record in sealed)


def test_the_error_names_the_place_and_nothing_of_the_record() -> None:
    with pytest.raises(Unavailable, match="recipe/row-2/sealed") as caught:
        ENVELOPE.open(ENVELOPE.seal(b"hunter2", *PLACE), "recipe", "row-2", "sealed")
    assert "hunter2" not in str(caught.value)
