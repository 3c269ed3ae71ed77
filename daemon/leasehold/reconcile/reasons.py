"""The reason that an operator gives for what it does to many at once. Pure."""

from leasehold.errors import Invalid

REASON_CHARS = 256


def checked_reason(text: str, *, must: bool = True) -> str:
    """The reason as it is kept; none is no reason where one `must` be given. Raises Invalid."""
    reason = text.strip()
    if len(text) > REASON_CHARS or (must and not reason):
        found = f"{len(text)} characters" if reason else "nothing"
        raise Invalid(f"reason: found {found}; allowed are 1 to {REASON_CHARS} characters")
    return reason
