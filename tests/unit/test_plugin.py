"""What `leasehold.plugin` does for its engines: names in pages, and how connections are shared."""

from hypothesis import given
from hypothesis import strategies as st

from leasehold.plugin import paged
from leasehold.plugin.lanes import shares


@given(names=st.sets(st.text(min_size=1)).map(sorted), size=st.integers(1, 5))
async def test_every_name_comes_once_and_in_order(names: list[str], size: int) -> None:
    async def page(after: str) -> list[str]:
        return [name for name in names if name > after][:size]

    assert [name async for name in paged(page, size)] == names


@given(most=st.integers(2, 1000))
def test_a_quarter_of_the_connections_and_at_least_one_is_kept_for_revoking(most: int) -> None:
    issuing, revoking = shares({"max_connections": most})
    assert issuing + revoking == most
    assert 1 <= revoking <= issuing
    assert revoking <= max(1, most / 4)
