"""An STS of AWS over TLS: it answers GetCallerIdentity to whoever signed it, as the real one does.

It verifies Signature Version 4 with botocore, whose signer callers use too: the canonical request
of what came, over the headers that the caller said were signed, under the secret of its key.
"""

import base64
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fakes.serving_https import Answer, Asked, HttpsServer

SERVER_ID = "leasehold.example.org"
HEADER = "X-Vault-AWS-IAM-Server-ID"
GLOBAL = "sts.amazonaws.com"
BODY = "Action=GetCallerIdentity&Version=2011-06-15"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
STAMP = "%Y%m%dT%H%M%SZ"
SKEW = timedelta(minutes=15)
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/sts/aws4_request,"
    r" ?SignedHeaders=([\w;-]+), ?Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True)
class Key:
    """A key of somebody whom STS knows."""

    id: str
    secret: str
    arn: str
    session: str | None = None

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    def signer(self, region: str = "us-east-1") -> SigV4Auth:
        return SigV4Auth(Credentials(self.id, self.secret, self.session), "sts", region)


DEPLOY = Key(
    id="ASIADEPLOY",
    secret="secret-of-deploy",
    arn="arn:aws:sts::123456789012:assumed-role/deploy/i-0123456789abcdef0",
    session="session-of-deploy",
)
ADA = Key(id="AKIAADA", secret="secret-of-ada", arn="arn:aws:iam::123456789012:user/people/ada")


def signed(
    key: Key,
    at: datetime,
    *,
    host: str = GLOBAL,
    body: str = BODY,
    method: str = "POST",
    headers: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """The fields of a login: what the holder of `key` signs at `at`, with other `headers`."""
    wanted = {"Content-Type": FORM, "Host": host, HEADER: SERVER_ID, **(headers or {})}
    request = AWSRequest(method, f"https://{host}/", data=body.encode())
    request.context["timestamp"] = at.strftime(STAMP)
    wanted["X-Amz-Date"] = request.context["timestamp"]
    if key.session is not None:
        wanted["X-Amz-Security-Token"] = key.session
    for name, value in wanted.items():
        if value is not None:
            request.headers[name] = value
    signer = key.signer()
    text = signer.string_to_sign(request, signer.canonical_request(request))
    covered = signer.signed_headers(signer.headers_to_sign(request))
    request.headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={covered},"
        f" Signature={signer.signature(text, request)}"
    )
    return fields(method, f"https://{host}/", body, {**request.headers})


def fields(method: str, url: str, body: str, headers: Any) -> dict[str, Any]:
    """A login as Vault's clients send it."""
    return {
        "iam_http_request_method": method,
        "iam_request_url": encoded(url),
        "iam_request_body": encoded(body),
        "iam_request_headers": encoded(json.dumps(headers)),
    }


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def with_headers(login: dict[str, Any], **changed: str | None) -> dict[str, Any]:
    """The login with headers added, changed, or (None) taken away after it was signed."""
    headers: dict[str, str | None] = {**headers_of(login)}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    kept = {name: value for name, value in headers.items() if value is not None}
    return {**login, "iam_request_headers": encoded(json.dumps(kept))}


def headers_of(login: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = json.loads(base64.b64decode(login["iam_request_headers"]))
    return found


def with_covered(login: dict[str, Any], *, without: str) -> dict[str, Any]:
    """The login, saying that a header is not among those that were signed."""
    text = headers_of(login)["Authorization"]
    covered = text.replace(f"{without};", "")
    assert covered != text
    return with_headers(login, Authorization=covered)


class Sts:
    """Knows `keys`. `now` is its clock; `override` is what it answers instead."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self.server = HttpsServer(folder, self._answer)
        self.keys = {key.id: key for key in (DEPLOY, ADA)}
        self.override: Answer | None = None
        self.came: list[Asked] = []
        self._now = now

    def options(self, **more: Any) -> dict[str, Any]:
        return {
            **{"server_id": SERVER_ID, "sts_endpoint": self.server.url},
            **{"ca_file": str(self.server.ca_file), **more},
        }

    def _answer(self, asked: Asked) -> Answer:
        self.came.append(asked)
        if self.override is not None:
            return self.override
        if (asked.method, asked.path, asked.body) != ("POST", "/", BODY.encode()):
            return refusal("InvalidAction", 400)
        headers = {name.lower(): value for name, value in asked.headers.items()}
        found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if found is None:
            return refusal("IncompleteSignature", 400)
        key_id, day, region, covered, signature = found.groups()
        key, stamp = self.keys.get(key_id), headers.get("x-amz-date", "")
        if key is None or (key.session or "") != headers.get("x-amz-security-token", ""):
            return refusal("InvalidClientTokenId", 403)
        made = datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
        if not stamp.startswith(day) or abs(self._now() - made) > SKEW:
            return refusal("SignatureDoesNotMatch", 403)
        request = AWSRequest("POST", f"https://{headers['host']}/", data=asked.body)
        for name in covered.split(";"):
            request.headers[name] = headers[name]
        request.context["timestamp"] = stamp
        signer = key.signer(region)
        text = signer.string_to_sign(request, signer.canonical_request(request))
        if not hmac.compare_digest(signer.signature(text, request), signature):
            return refusal("SignatureDoesNotMatch", 403)
        return identity(key.arn, key.account)


def identity(arn: str, account: str, user_id: str = "AROAEXAMPLE:i-0123456789abcdef0") -> Answer:
    """Who it was, as STS says it."""
    result = f"<Arn>{arn}</Arn><UserId>{user_id}</UserId><Account>{account}</Account>"
    text = (
        f'<GetCallerIdentityResponse xmlns="{_NAMESPACE}">\n'
        f"<GetCallerIdentityResult>{result}</GetCallerIdentityResult>\n"
        "<ResponseMetadata><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>"
        "</ResponseMetadata></GetCallerIdentityResponse>"
    )
    return Answer(body=text.encode(), headers={"Content-Type": "text/xml"})


def refusal(code: str, status: int) -> Answer:
    """An error, as STS says it."""
    text = (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        "<Message>not for the audit</Message></Error></ErrorResponse>"
    )
    return Answer(status=status, body=text.encode())
