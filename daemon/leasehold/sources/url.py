"""The address of a policy in git: `git+https://host/policy.git?path=policies&every=60s#main`. Pure.

A query has our own options, the fragment has the ref; both are taken off before git sees the rest.
"""

import difflib
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from leasehold.errors import ConfigError
from leasehold.policy import durations

EVERY_S = 60
LONGEST_S = 86_400
OPTIONS = ("path", "every")
EXAMPLE = "git+https://host/policy.git#main"
Scheme = Literal["file", "https", "ssh"]
_SCHEMES: tuple[Scheme, ...] = ("file", "https", "ssh")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
# Of what git-check-ref-format(1) allows, what people use.
_REF = re.compile(r"(?!.*(\.\.|//|/\.|\.lock(/|$)|[/.]$))[A-Za-z0-9_][A-Za-z0-9_./+=-]*")
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class GitUrl:
    """One ref of one repository, and the folder in it that holds the policy (empty is all).

    `address` is what git is given, `location` what people wrote.
    """

    location: str
    scheme: Scheme
    address: str
    user: str
    host: str
    ref: str
    path: str = ""
    every_s: int = EVERY_S

    @property
    def file_path(self) -> str:
        """Where the repository stands on this machine; for `file` only."""
        return unquote(self.address.removeprefix("file://"))


def parse(text: str) -> GitUrl:
    """The parts of an address. Raises ConfigError, which never shows what may be a password."""
    if not text.isascii() or not unquote(text).isprintable() or " " in text:
        raise _fault("the address holds a blank or a special character; write it as %20 and so on")
    scheme = _scheme(text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _fault(f"is no address; write it as {EXAMPLE}") from None
    if parts.password is not None:
        raise _fault("a password stands in the address; take it out, and set git_token")
    user, host = parts.username or "", parts.hostname or ""
    _check_place(scheme, parts, user, host)
    options = _options(parts.query)
    shown = f"[{host}]" if ":" in host else host
    netloc = f"{user}@" * bool(user) + shown + (f":{port}" if port is not None else "")
    return GitUrl(
        location=text,
        scheme=scheme,
        address=f"{scheme}://{netloc}{parts.path}",
        user=user,
        host=shown if port is None else f"{shown}:{port}",
        ref=_ref(unquote(parts.fragment)),
        path=_path(options.get("path", "")),
        every_s=_every(options.get("every", str(EVERY_S))),
    )


def _scheme(text: str) -> Scheme:
    found = text.partition("://")[0].lower()
    for scheme in _SCHEMES:
        if found == f"git+{scheme}":
            return scheme
    if found in _SCHEMES:
        raise _fault(f"{found}:// is not served; write git+{found}://")
    near = difflib.get_close_matches(found, [f"git+{scheme}" for scheme in _SCHEMES], 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise _fault(f"no such scheme; {hint}allowed are git+file, git+https and git+ssh")


def _check_place(scheme: str, parts: SplitResult, user: str, host: str) -> None:
    if scheme == "file":
        if parts.netloc:
            raise _fault("git+file:// names a host; write three slashes, git+file:///path#main")
    elif not _HOST.fullmatch(host):
        raise _fault(f"names no host; write it as {EXAMPLE}")
    if user and not _USER.fullmatch(user):
        raise _fault("the user in the address is no name; allowed are letters, digits and ._-")
    if not parts.path.strip("/"):
        raise _fault(f"names no repository; write it as {EXAMPLE}")


def _options(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise _fault("an option has no value; write it as ?path=policies&every=60s") from None
    options: dict[str, str] = {}
    for name, value in pairs:
        if name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS, 1)
            hint = f"did you mean {near[0]}?" if near else "allowed are path and every"
            raise _fault(f"no such option; {hint}")
        if name in options:
            raise _fault(f"the option {name} stands twice; remove one")
        options[name] = value
    return options


def _ref(fragment: str) -> str:
    """In full. A short name is a branch, so that no tag of the same name can take its place."""
    if not fragment:
        raise _fault(f"names no branch; add it at the end, as in {EXAMPLE}")
    if _HASH.fullmatch(fragment):
        raise _fault("names a commit, and that can never change; name a branch, as in #main")
    if not _REF.fullmatch(fragment):
        raise _fault("names no branch after the #; write it as #main, or in full as #refs/tags/v1")
    return fragment if fragment.startswith("refs/") else f"refs/heads/{fragment}"


def _path(path: str) -> str:
    parts = path.removesuffix("/").split("/") if path else []
    if any(part in ("", ".", "..") for part in parts):
        raise _fault("path names no folder of the repository; write it as ?path=teams/policies")
    return "/".join(parts)


def _every(value: str) -> int:
    try:
        every_s = durations.seconds(value)
    except ValueError:
        raise _fault(f"every is no duration; allowed is {durations.FORM}") from None
    if not 1 <= every_s <= LONGEST_S:
        raise _fault("every is out of range; allowed is 1s to 1d")
    return every_s


def _fault(message: str) -> ConfigError:
    return ConfigError(f"policies: {message}")
