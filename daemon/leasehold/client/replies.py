"""What the daemon's reply means: an answer, or the error that a refusal stands for. No I/O."""

import json
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from leasehold.client.endpoint import Endpoint, Https, UnixSocket
from leasehold.errors import (
    Conflict,
    Denied,
    Frozen,
    Invalid,
    LeaseholdError,
    LimitReached,
    Locked,
    NotFound,
    PolicyRefused,
    Sealed,
    Stale,
    TooLarge,
    Unavailable,
    Unsafe,
    Unsupported,
)
from leasehold.secret import Secret

_REFUSALS: Mapping[int, type[LeaseholdError]] = {
    400: Invalid,
    403: Denied,
    404: NotFound,
    405: Unsupported,
    409: Conflict,
    413: TooLarge,
    415: Invalid,
    423: Frozen,
}
_CODES: Mapping[str, type[LeaseholdError]] = {kind.code: kind for kind in (Locked, Stale, Unsafe)}
"""Refusals that say more than their status does."""
_CERTIFICATE = "if it asks for a client certificate, set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY"
HELD = "held"
"""What a reply says of a lease that ends with the connection it came by."""
_REQUEST_ID = re.compile(r"[0-9a-f-]{36}")


class Unreachable(Unavailable):
    """No daemon answered, so nothing is known about what it did."""

    code = "unreachable"


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that was not a refusal. Its repr shows no credential.

    `body` is empty for 204, and for what is no JSON, which is `text`.
    `lease` says `unknown` where a revocation met no lease that is the caller's, and `held` where
    one was issued that ends with the connection.
    """

    status: int
    body: Mapping[str, Any]
    lease: str = ""
    text: str = ""

    def __repr__(self) -> str:
        return f"Reply(status={self.status})"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCredential:
    """A credential and its lease, which ends in `ttl_s` seconds. `fields` differ by engine.

    In its last `overlap_s` it may be replaced, if that is not None. `replaces` is the lease whose
    place it took, which lives on for `replaces_s` seconds at most.
    """

    lease_id: str
    ttl_s: int
    renewable: bool
    fields: Mapping[str, Secret]
    warnings: tuple[str, ...] = ()
    overlap_s: int | None = None
    replaces: str = ""
    replaces_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewedLease:
    """A lease that now ends in `ttl_s` seconds."""

    lease_id: str
    ttl_s: int
    renewable: bool
    warnings: tuple[str, ...] = ()


def reply_of(
    endpoint: Endpoint, status: int, header: Callable[[str], str | None], raw: bytes
) -> Reply:
    """The reply in `raw`; `header` gives one of its headers. Raises what a refusal stands for."""
    if status == 200 and (header("Content-Type") or "").startswith("text/plain"):
        return Reply(status, {}, text=raw.decode())
    answer = _decoded(endpoint, raw)
    if status >= 300:
        raise _refusal(status, answer, header("Retry-After"))
    return Reply(status, answer, header("X-Leasehold-Lease") or "")


def asked_for(ttl: str | int | None, fields: Mapping[str, str] | None) -> dict[str, str | int]:
    """What a request for a credential says."""
    return {**(fields or {}), **({} if ttl is None else {"ttl": ttl})}


def issued(path: str, reply: Reply) -> IssuedCredential:
    """The credential that `path` answered with. Raises LeaseholdError when it has no lease."""
    body = reply.body
    if not body.get("lease_id"):
        raise LeaseholdError(f"{path} answers without a lease; it is no path of a role")
    own = body.get("leasehold") or {}
    return IssuedCredential(
        lease_id=body["lease_id"],
        ttl_s=body["lease_duration"],
        renewable=body["renewable"],
        fields={name: Secret(str(value)) for name, value in body["data"].items()},
        warnings=tuple(body.get("warnings") or ()),
        overlap_s=own.get("overlap"),
        replaces=own.get("replaces", ""),
        replaces_s=own.get("replaces_for", 0),
    )


def renewed(reply: Reply) -> RenewedLease:
    """The lease as a renewal left it."""
    body = reply.body
    return RenewedLease(
        lease_id=body["lease_id"],
        ttl_s=body["lease_duration"],
        renewable=body["renewable"],
        warnings=tuple(body.get("warnings") or ()),
    )


def revoked(reply: Reply) -> bool:
    """Whether the account is gone; False when that is queued. Raises NotFound."""
    if reply.lease == "unknown":
        raise NotFound("no such lease, or it is not yours")
    return reply.status == 204


def unreachable(endpoint: Endpoint, error: Exception, timeout_s: float) -> Unreachable:
    """What to tell of `error`, for which no reply came."""
    return Unreachable(f"{endpoint}: {_why(endpoint, error, timeout_s)}")


def _why(endpoint: Endpoint, error: Exception, timeout_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the daemon's certificate is refused: {error.verify_message}; is the file with its"
            " authority named in VAULT_CACERT?"
        )
    ended = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    if isinstance(error, ssl.SSLError) and not ended:
        if "CERTIFICATE" in (error.reason or ""):
            return f"the daemon refused the connection; {_CERTIFICATE}"
        return f"no TLS 1.3 connection ({error.reason}); is it leasehold's listener?"
    if isinstance(error, socket.gaierror):
        return f"no such host ({error.strerror})"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens; the daemon is not running"
    if isinstance(endpoint, UnixSocket):
        if isinstance(error, FileNotFoundError):
            return "no such socket; is the daemon running, is --socket right?"
        if isinstance(error, PermissionError):
            return "permission denied; join the group that owns the socket"
        if str(error) == "AF_UNIX path too long":
            return "the path is too long for a socket; allowed are 107 bytes"
    ended = ended or isinstance(error, ConnectionError)
    if isinstance(error, OSError) and error.strerror and not ended:
        return error.strerror
    hung_up = "the daemon hung up before it answered"
    if isinstance(endpoint, Https) and endpoint.certificate is None:
        # Where TLS 1.3 misses a certificate, the alert may come too late to be read.
        return f"{hung_up}; {_CERTIFICATE}"
    return hung_up


def _decoded(endpoint: Endpoint, raw: bytes) -> Mapping[str, Any]:
    if not raw:
        return {}
    try:
        answer = json.loads(raw)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Unreachable(
            f"{endpoint}: the answer is not leasehold's; is another program behind it?"
        )
    return answer


def _refusal(status: int, answer: Mapping[str, Any], retry_after: str | None) -> LeaseholdError:
    errors = answer.get("errors")
    texts = [str(text).strip() for text in errors] if isinstance(errors, list) else []
    code = str(answer.get("code", ""))
    if code == PolicyRefused.code:
        return PolicyRefused(tuple(texts))
    # An answer's text is one line here, whatever a server put into it.
    text = " ".join("; ".join(texts).split()) or f"the daemon refused with status {status}"
    request_id = str(answer.get("request_id", ""))
    if status == 403 and _REQUEST_ID.fullmatch(request_id):
        text += f"; leasehold explain {request_id} says why"
    wait_s = int(retry_after) if retry_after and retry_after.isdecimal() else 1
    if status == 429:
        return LimitReached(text, retry_after_s=wait_s)
    if status in (502, 503):
        return (Sealed if code == Sealed.code else Unavailable)(text, retry_after_s=wait_s)
    return _CODES.get(code, _REFUSALS.get(status, LeaseholdError))(text)
