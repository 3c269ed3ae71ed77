"""What STS answers to GetCallerIdentity: XML, read without anything that XML can declare. Pure.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html. Whatever has a
declaration is no answer, so there is no entity that could expand, and none that is fetched.
"""

from dataclasses import dataclass
from xml.etree import ElementTree

from leasehold.plugin import LoginRefused, LoginUnavailable
from leasehold.plugin.http import Answer

_NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"
_RESULT = f"{_NAMESPACE}GetCallerIdentityResult"
_BUSY = ("Throttling", "RequestLimitExceeded", "ServiceUnavailable", "InternalFailure")
_REASONS = {
    "SignatureDoesNotMatch": "STS says that the signature is wrong",
    "InvalidClientTokenId": "STS does not know the key that signed it",
    "ExpiredToken": "STS says that the session has ended",
    "ExpiredTokenException": "STS says that the session has ended",
    "RequestExpired": "STS says that it was signed too long ago",
    "AccessDenied": "STS denies it",
}


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """The three texts of the answer, as they came."""

    account: str
    arn: str
    user_id: str


def identity(answer: Answer) -> CallerIdentity:
    """Who it was that signed. Raises LoginRefused, and LoginUnavailable for what is no answer."""
    if answer.status in (400, 403):
        raise _refusal(answer)
    if answer.status != 200:
        raise LoginUnavailable(f"STS answered with status {answer.status}")
    root = _parsed(answer.body)
    results = root.findall(_RESULT)
    if root.tag != f"{_NAMESPACE}GetCallerIdentityResponse" or len(results) != 1:
        raise LoginUnavailable("STS answered with something else than a caller's identity")
    return CallerIdentity(*(_text(results[0], name) for name in ("Account", "Arn", "UserId")))


def _refusal(answer: Answer) -> LoginRefused | LoginUnavailable:
    code = _parsed(answer.body).findtext(f"{_NAMESPACE}Error/{_NAMESPACE}Code", "")
    if code in _BUSY:
        return LoginUnavailable(f"STS has no time now ({code})")
    return LoginRefused(_REASONS.get(code, "STS refuses it"))


def _parsed(body: bytes) -> ElementTree.Element:
    try:
        text = body.decode("utf-8")
        if "<!" in text:
            raise LoginUnavailable("STS answered with a document that declares something")
        return ElementTree.fromstring(text)  # noqa: S314 (there is no declaration)
    except (ValueError, ElementTree.ParseError):
        raise LoginUnavailable("STS answered with something else than XML") from None


def _text(result: ElementTree.Element, name: str) -> str:
    found = result.findall(f"{_NAMESPACE}{name}")
    text = found[0].text if len(found) == 1 and len(found[0]) == 0 else None
    if not text:
        raise LoginUnavailable(f"STS answered without one {name}")
    return text
