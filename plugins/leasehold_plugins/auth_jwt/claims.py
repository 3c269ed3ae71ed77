"""What the claims of a token say: texts, and instants (RFC 7519, 4.1). Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from leasehold.plugin import LoginRefused

MOST_CHARS = 512
MOST_VALUES = 64
LATEST_S = 1e15
"""What no instant reaches; NaN, infinity and integers that no float holds are not below it."""


def texts_of(claim: object) -> Iterator[str]:
    """The values of a claim as texts; none of one that is a map, or of what is too long or odd."""
    for value in claim[:MOST_VALUES] if isinstance(claim, list) else [claim]:
        match value:
            case bool():
                yield "true" if value else "false"
            case int():
                yield str(value)
            case str() if 0 < len(value) <= MOST_CHARS and value.isprintable():
                yield value


def check_times(claims: Mapping[str, Any], now_s: float, leeway_s: float) -> None:
    """Raise LoginRefused unless the token holds now. One without an end never does."""
    ends = _instant(claims, "exp")
    if ends is None:
        raise LoginRefused("the claim exp is missing")
    if now_s >= ends + leeway_s:
        raise LoginRefused("the token has expired")
    begins, made = _instant(claims, "nbf"), _instant(claims, "iat")
    if begins is not None and now_s < begins - leeway_s:
        raise LoginRefused("the token does not hold yet")
    if made is not None and now_s < made - leeway_s:
        raise LoginRefused("the token was made in the future")


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LATEST_S:
        raise LoginRefused(f"the claim {name} is not an instant")
    return value
