"""A TokenReview (authentication.k8s.io/v1): what is asked of an API server, and what it says. Pure.

A server that knows nothing of audiences leaves them out of its answer; then the token may be meant
for anybody, so that counts as a no.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from leasehold.plugin import LoginRefused, LoginUnavailable
from leasehold.plugin.http import Answer

_CREATED = (200, 201)
_NOT_ALLOWED = (401, 403)
_ACCOUNT = "system:serviceaccount"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The service account that a token is of."""

    namespace: str
    name: str
    uid: str


def question(token: str, audiences: Sequence[str]) -> bytes:
    """The body that asks about a token. It holds the token."""
    spec = {"token": token, "audiences": list(audiences)}
    kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    return json.dumps({**kind, "spec": spec}).encode()


def reviewed(answer: Answer, audiences: Sequence[str], *, own: bool) -> Reviewed:
    """Whose token it is. `own` says that it was asked about by itself.

    Raises LoginRefused, and LoginUnavailable for what is no answer.
    """
    if answer.status in _NOT_ALLOWED and own:
        raise LoginRefused("the API server does not let the token ask about itself")
    if answer.status not in _CREATED:
        raise LoginUnavailable(f"the API server answered with status {answer.status}")
    status = _status(answer.body)
    if status.get("authenticated") is not True or status.get("error"):
        raise LoginRefused("the API server does not know the token")
    if not set(audiences).intersection(_texts(status.get("audiences"))):
        raise LoginRefused("the token is for another audience")
    user = status.get("user")
    user = user if isinstance(user, dict) else {}
    parts = str(user.get("username", "")).split(":")
    if len(parts) != 4 or ":".join(parts[:2]) != _ACCOUNT or not all(parts):
        raise LoginRefused("the token is of no service account")
    return Reviewed(namespace=parts[2], name=parts[3], uid=str(user.get("uid", "")))


def _status(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    status = found.get("status") if isinstance(found, dict) else None
    if not isinstance(status, dict):
        raise LoginUnavailable("the API server answered with something else than a TokenReview")
    return status


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
