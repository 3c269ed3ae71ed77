"""A request to AWS that somebody else has signed: read, and held against what it may be. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html. The signature itself only STS
can judge. What is checked here is that the request asks STS who signed it and can do nothing else,
and that all that matters is covered by the signature. What is not covered is not sent on.
"""

import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from leasehold.plugin import BadLogin, LoginRefused

MOST_CHARS = 16_384
AHEAD_S = 60
"""How far the caller's clock may be ahead."""
SERVER_ID = "x-vault-aws-iam-server-id"
_MUST_BE_SIGNED = ("host", "x-amz-date", SERVER_ID)
_ALLOWED = frozenset(
    {
        *("host", "authorization", "content-type", "content-length", "user-agent", "accept"),
        *("accept-encoding", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"),
        *("x-amz-user-agent", "amz-sdk-invocation-id", "amz-sdk-request", SERVER_ID),
    }
)
_MADE_HERE = frozenset({"content-length"})
_FORM = "application/x-www-form-urlencoded"
_ASKS = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
_URL = re.compile(r"https://([a-z0-9.-]{1,253})(?::443)?/?", re.ASCII)
_STS = re.compile(
    r"sts\.amazonaws\.com|sts(?:-fips)?\.[a-z]{2}(?:-[a-z]{2,9}){1,2}-[0-9]\.amazonaws\.com(?:\.cn)?",
    re.ASCII,
)
_VALUE = re.compile(r"[ -~]{0,8192}", re.ASCII)
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[A-Za-z0-9]{4,128}/[0-9]{8}/[a-z0-9-]{2,32}/sts/aws4_request,"
    r" ?SignedHeaders=([a-z0-9;-]{1,512}), ?Signature=[0-9a-f]{64}",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A request to the STS at `host`. `headers` are those to be sent on, by lower-case names."""

    host: str
    body: bytes
    headers: Mapping[str, str] = field(repr=False)

    def check(self, server_id: str, now: datetime, max_age_s: int) -> None:
        """Raise LoginRefused unless it was made for `server_id`, at most `max_age_s` ago."""
        if not hmac.compare_digest(self.headers[SERVER_ID].encode(), server_id.encode()):
            raise LoginRefused("it was signed for another server id")
        try:
            made = datetime.strptime(f"{self.headers['x-amz-date']}+0000", "%Y%m%dT%H%M%SZ%z")
        except ValueError:
            raise LoginRefused("x-amz-date is no instant") from None
        age = now - made
        if age > timedelta(seconds=max_age_s):
            raise LoginRefused("it was signed too long ago")
        if age < -timedelta(seconds=AHEAD_S):
            raise LoginRefused("it was signed in the future")


def headers_of(given: str | Mapping[str, Any]) -> dict[str, str]:
    """Headers by lower-case names, each with one value. Raises BadLogin, LoginRefused."""
    if isinstance(given, str):
        try:
            given = json.loads(given, object_pairs_hook=_once)
        except (ValueError, RecursionError):
            given = ""
    if not isinstance(given, Mapping):
        raise BadLogin(
            "iam_request_headers: allowed is an object of headers, or its JSON in base64"
        )
    found: dict[str, str] = {}
    for name, value in _single(given):
        if name in found:
            raise LoginRefused("a header stands twice")
        if name not in _ALLOWED:
            raise LoginRefused("a header is none that may be sent on")
        if not _VALUE.fullmatch(value):
            raise LoginRefused("a header has a value that could be read as another")
        found[name] = value.strip()
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > len({name for name, _ in pairs}):
        raise LoginRefused("a header stands twice")
    return dict(pairs)


def _single(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        [one] = value if isinstance(value, list) and len(value) == 1 else [value]
        if not isinstance(one, str):
            raise LoginRefused("a header has not one text for its value")
        yield name.lower(), one


def read(
    *, method: str, url: str, body: str, headers: Mapping[str, str], also: str | None
) -> Signed:
    """The request, if it can do no other thing. `also` is a host that counts as one of STS.

    Raises LoginRefused.
    """
    place = _URL.fullmatch(url)
    if method != "POST":
        raise LoginRefused("it is no POST")
    if place is None:
        raise LoginRefused("its URL is not https://HOST/ and nothing else")
    host = place[1]
    if host != also and not _STS.fullmatch(host):
        raise LoginRefused("its host is none of STS")
    if headers.get("host", host) not in (host, f"{host}:443"):
        raise LoginRefused("its header host is another one than that of its URL")
    if not _asks_who(body):
        raise LoginRefused("its body is not GetCallerIdentity of 2011-06-15 and nothing else")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise LoginRefused("its body is not said to be a form")
    if headers.get("content-length", str(len(body))) != str(len(body)):
        raise LoginRefused("its content-length is not that of its body")
    return Signed(host=host, body=body.encode("ascii"), headers=_sent_on(host, headers))


def _asks_who(body: str) -> bool:
    try:
        asked = parse_qsl(body, keep_blank_values=True, strict_parsing=True, max_num_fields=2)
    except ValueError:
        return False
    return len(asked) == len(_ASKS) and dict(asked) == _ASKS


def _sent_on(host: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are signed, with the signature. Raises LoginRefused."""
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if found is None:
        raise LoginRefused("its header authorization is no signature for STS")
    signed, had = found[1].split(";"), {"host": host, **headers}
    for name in _MUST_BE_SIGNED:
        if name not in signed:
            raise LoginRefused(f"its signature does not cover {name}")
    if "authorization" in signed or not had.keys() >= set(signed):
        raise LoginRefused("its signature covers a header that was not sent")
    for name in had:
        if name.startswith("x-amz-") and name not in signed:
            raise LoginRefused("its signature does not cover a header of AWS")
    kept = {*signed, "authorization", "content-type"} - _MADE_HERE
    return {name: value for name, value in had.items() if name in kept}
