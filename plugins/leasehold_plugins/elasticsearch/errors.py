"""What replies and the client's errors mean. A text of either never goes further than here."""

import re
import ssl
from typing import Any

import aiohttp

from leasehold.plugin import EngineError, EnginePermanent, EngineTemporary, ErrorClass

_TYPE = re.compile(r"[a-z][a-z_]{2,60}")
_BUSY = (409, 429)
"""Another writer was first, or there are too many requests: nothing was done."""
_CLASSES = {404: ErrorClass.ABSENT, 501: ErrorClass.UNSUPPORTED}


class Away(EngineTemporary):
    """A node cannot be reached, so nothing was sent there."""


def refused(status: int, data: Any, where: str, remedy: str) -> EngineError:
    """The engine's error for a reply; `remedy` says how the right that is lacking is given."""
    if status == 401:
        return EnginePermanent(
            f"{where} refuses the administrator's login; look at username and password, or api_key",
            error_class=ErrorClass.DENIED,
        )
    if unlicensed_feature(data):
        return EnginePermanent(
            f"{where} refused, since its license has not what the role asks for, such as query or"
            " field_security",
            error_class=ErrorClass.UNSUPPORTED,
        )
    if status == 403:
        return EnginePermanent(
            f"{where} does not let the administrator do this; {remedy}",
            error_class=ErrorClass.DENIED,
        )
    words = f"{where} refused ({told(status, data)})"
    if status in _BUSY:
        return EngineTemporary(words)
    if status >= 500 and status not in _CLASSES:
        return EngineTemporary(words, outcome_unknown=True)
    return EnginePermanent(words, error_class=_CLASSES.get(status, ErrorClass.INVALID))


def told(status: int, data: Any) -> str:
    """The status, with the type of the error where the reply names one: a fixed word."""
    kind = _about_error(data, "type")
    return f"{status} {kind}" if _TYPE.fullmatch(kind) else str(status)


def disabled_feature(data: Any) -> str:
    """The feature that an error says is switched off, such as `security_tokens`; else empty."""
    return _about_error(data, "disabled.feature")


def unlicensed_feature(data: Any) -> str:
    """The feature that the server's license lacks, such as `security tokens`; else empty."""
    return _about_error(data, "license.expired.feature")


def _about_error(data: Any, key: str) -> str:
    error = data.get("error") if isinstance(data, dict) else None
    return str(error.get(key, "")) if isinstance(error, dict) else ""


def failed(error: aiohttp.ClientError | TimeoutError | OSError, where: str) -> EngineError:
    """The engine's error for a request that got no reply."""
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Away(
            f"{where} cannot be trusted or speaks no TLS; look at tls_ca, and at the names in its"
            " certificate"
        )
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Away(f"{where} cannot be reached")
    if isinstance(error, TimeoutError):
        return EngineTemporary(f"no answer in time from {where}", outcome_unknown=True)
    return EngineTemporary(f"the connection was lost to {where}", outcome_unknown=True)
