"""Logging in as whoever AWS says one is: the caller signs a request, and its STS is asked with it.

The request is GetCallerIdentity, signed by Signature Version 4 with keys that never leave the
caller. It is sent on only when it is that request and nothing else, made lately, and for this
daemon: the header with the daemon's own name is among what was signed, so that nobody who gets such
a request from somebody can pass it on to a third.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from leasehold.plugin import (
    BadLogin,
    LoginMethod,
    LoginRequest,
    Proven,
    hookimpl,
)
from leasehold.plugin.http import ask
from leasehold_plugins.auth_aws.answer import identity
from leasehold_plugins.auth_aws.principal import principal_of
from leasehold_plugins.auth_aws.signed import MOST_CHARS, headers_of, read

MAX_AGE_S = 300
_FIELDS = ("iam_http_request_method", "iam_request_url", "iam_request_body", "iam_request_headers")


class AwsLogin(LoginMethod):
    """The STS that callers name, or the one of the policy."""

    type: ClassVar[str] = "aws"

    def __init__(self, name: str, options: Mapping[str, Any], clock: Callable[[], float]) -> None:
        self._name = name
        self._server_id: str = options["server_id"]
        self._endpoint: str | None = options.get("sts_endpoint")
        self._max_age_s: int = options.get("max_age", MAX_AGE_S)
        ca_file = options.get("ca_file")
        self._ca_file = None if ca_file is None else Path(ca_file)

    async def attest(self, request: LoginRequest) -> Proven:
        """Whose keys signed the request, if STS says so."""
        method, url, body = (_given(request, name) for name in _FIELDS[:3])
        sent = read(
            method=method,
            url=_decoded("iam_request_url", url),
            body=_decoded("iam_request_body", body),
            headers=headers_of(_headers(request)),
            also=None if self._endpoint is None else urlsplit(self._endpoint).hostname,
        )
        sent.check(self._server_id, request.now, self._max_age_s)
        answer = await ask(
            (self._endpoint or f"https://{sent.host}").removesuffix("/") + "/",
            method="POST",
            headers={name.title(): value for name, value in sent.headers.items()},
            body=sent.body,
            ca_file=self._ca_file,
        )
        who = principal_of(identity(answer))
        role = [] if who.role is None else [("role", who.role)]
        return Proven(
            facts=[("account", who.account), ("arn", who.arn), *role],
            name=f"{self._name}-{who.account}-{who.short}",
            meta={
                "account_id": who.account,
                "auth_type": "iam",
                "canonical_arn": who.arn,
                "client_arn": who.client_arn,
                "client_user_id": who.user_id,
            },
        )


def _given(request: LoginRequest, name: str) -> str:
    text = request.text(name)
    if not text:
        raise BadLogin(f"missing {name}")
    if len(text) > MOST_CHARS:
        raise BadLogin(f"{name}: has {len(text)} characters; allowed are {MOST_CHARS}")
    return text


def _decoded(name: str, text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise BadLogin(f"{name}: allowed is base64 of a text") from None


def _headers(request: LoginRequest) -> str | Mapping[str, Any]:
    """The headers as they were sent: an object, or the base64 of its JSON."""
    given = request.fields.get("iam_request_headers")
    if isinstance(given, Mapping):
        return given
    return _decoded("iam_request_headers", _given(request, "iam_request_headers"))


@hookimpl
def leasehold_login_method() -> type[LoginMethod]:
    """See `leasehold.plugin.hooks`."""
    return AwsLogin
