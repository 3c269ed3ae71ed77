"""What a target is told fits a line, has common characters only, and names the lease first."""

from hypothesis import given
from hypothesis import strategies as st

from fakes.leases import a_lease
from leasehold.leases.annotation import COMMENT_CHARS, annotations, comment

labels = st.dictionaries(st.text(max_size=8), st.text(max_size=300), max_size=8)


@given(labels, st.text(max_size=200))
def test_nothing_that_a_caller_or_a_policy_says_breaks_out_of_the_line(told, owner) -> None:
    lease = a_lease(labels=told, owner=owner)
    found = annotations(lease)
    line = comment(found, lease.id)
    assert len(line) <= COMMENT_CHARS
    assert line.startswith(f"leasehold {lease.id} for {lease.identity}")
    for text in found.values():
        assert len(text) <= 128
        assert not set(text) & set(";'\"\\`$%\n\r\0{}[]<>")


def test_a_reason_cannot_pass_for_the_owner() -> None:
    lease = a_lease(labels={"owner": "somebody-else", "reason": "ABC-1"}, owner="team")
    found = annotations(lease)
    assert (found["owner"], found["reason"]) == ("team", "ABC-1")
    assert comment(found, lease.id).endswith(f"; owner team; reason ABC-1; tenant {lease.tenant}")


def test_where_nothing_is_to_be_told_the_lease_alone_is() -> None:
    assert comment({}, "a/creds/b/c") == "leasehold a/creds/b/c"
